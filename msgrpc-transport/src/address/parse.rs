//! Text → [`Address`]: the grammar, one function per form.
//!
//! Used by `FromStr` and `TryFrom` of [`Address`]. It never guesses: what is not in the grammar is refused, and the
//! guess goes into the error as a suggestion.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Address, AddressError, AddressPart as Part, HostPort, MemoryName, MulticastAddress,
    UnixAddress, error::Wrong,
};

pub(super) fn address(text: &str) -> Result<Address, AddressError> {
    read(text).map_err(|wrong| report(text, wrong, |fix| read(fix).is_ok()))
}

/// A host that is not part of a text: brackets may be missing.
pub(super) fn bare_host(text: &str) -> Result<String, AddressError> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let host = if inner.contains(':') { ipv6(inner) } else { host(inner) };
    host.map_err(|wrong| report(text, wrong, |_| false))
}

/// Makes the error and picks its suggestion. Done once, at the end, so that checking a suggestion cannot ask for
/// another one.
fn report(text: &str, mut wrong: Wrong, is_good: impl Fn(&str) -> bool) -> AddressError {
    let mut fixes = std::mem::take(&mut wrong.fixes).into_iter();
    let fix = fixes.find(|fix| fix.len() <= SUGGESTION_BYTES && is_good(fix));
    let suggestion = fix.unwrap_or_else(|| wrong.example.to_owned());
    AddressError::new(text, wrong, suggestion)
}

fn read(text: &str) -> Result<Address, Wrong> {
    if text.trim() != text {
        let wrong = Wrong::new("unexpected", Part::WhiteSpace, "none around the address");
        return Err(wrong.fix(text.trim().to_owned()));
    }
    if let Some(rest) = text.strip_prefix("unix:") {
        return unix(rest).map(Address::Unix);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(no_scheme(text));
    };
    match scheme {
        "tcp" => host_port(scheme, rest).map(Address::Tcp),
        "tls" => host_port(scheme, rest).map(Address::Tls),
        "udp" => host_port(scheme, rest).map(Address::Udp),
        "multicast" => multicast(rest).map(Address::Multicast),
        "memory" => memory(rest).map(Address::Memory),
        _ => Err(unknown_scheme(scheme, rest)),
    }
}

fn no_scheme(text: &str) -> Wrong {
    let wrong = Wrong::new("missing", Part::Scheme, EXPECTED_SCHEMES);
    if let Some((scheme, rest)) = text.split_once(':')
        && SCHEMES.contains(&scheme)
    {
        return wrong.fix(format!("{scheme}://{}", rest.trim_start_matches('/')));
    }
    if text.contains('/') {
        return wrong.fix(format!("unix://{text}")).example("unix:///run/app.sock");
    }
    let fix = if text.starts_with('@') { format!("unix:{text}") } else { format!("tcp://{text}") };
    let port = text.strip_prefix(':').unwrap_or(text);
    wrong.fix(fix).fix(format!("tcp://127.0.0.1:{port}")).fix(format!("tcp://{text}:8000"))
}

fn unknown_scheme(scheme: &str, rest: &str) -> Wrong {
    let mut wrong = Wrong::new("unknown", Part::Scheme, EXPECTED_SCHEMES).found(scheme);
    let meant = match scheme {
        "http" | "ws" => "tcp",
        "https" | "wss" | "ssl" => "tls",
        "file" | "ipc" => {
            return wrong.fix(format!("unix://{rest}")).example("unix:///run/app.sock");
        }
        _ => wrong.did_you_mean(scheme, &SCHEMES).unwrap_or("tcp"),
    };
    if meant == "unix" {
        wrong = wrong.fix(format!("unix://{rest}"));
    }
    let place = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    wrong
        .fix(format!("{meant}://{rest}"))
        .fix(format!("{meant}://{place}"))
        .fix(format!("{meant}://{place}:8000"))
}

fn unix(rest: &str) -> Result<UnixAddress, Wrong> {
    let (text, part) = if let Some(path) =
        rest.strip_prefix("//").filter(|path| path.starts_with('/'))
    {
        (path, Part::Path)
    } else if rest.starts_with('@') {
        (rest, Part::Name)
    } else {
        let bare = rest.trim_start_matches('/');
        return Err(Wrong::new(
            "bad",
            Part::Path,
            "unix:///path with an absolute path, or unix:@name",
        )
        .fix(if bare.starts_with('@') { format!("unix:{bare}") } else { format!("unix:///{bare}") })
        .example("unix:///run/app.sock"));
    };
    let example = if part == Part::Path { "unix:///run/app.sock" } else { "unix:@app" };
    if text.len() < 2 {
        return Err(Wrong::new("missing", part, "at least one character").example(example));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("bad", part, "no control characters").example(example));
    }
    // `@` stands for the zero byte that begins an abstract name.
    let longest = if part == Part::Path { UNIX_BYTES } else { UNIX_BYTES + 1 };
    if text.len() > longest {
        let expected = format!("at most {UNIX_BYTES} bytes, as the system has it");
        return Err(Wrong::new("too long a", part, &expected).example(example));
    }
    Ok(UnixAddress { text: text.to_owned() })
}

fn memory(name: &str) -> Result<MemoryName, Wrong> {
    let is_good = |c: char| c.is_alphanumeric() || "-_.:/".contains(c);
    if name.is_empty() || name.len() > MEMORY_BYTES || !name.chars().all(is_good) {
        let expected = "1 to 255 letters, digits, `-`, `_`, `.`, `:` or `/`";
        let problem = if name.is_empty() { "missing" } else { "bad" };
        return Err(Wrong::new(problem, Part::Name, expected).example("memory://app"));
    }
    Ok(MemoryName { name: name.to_owned() })
}

fn host_port(scheme: &str, rest: &str) -> Result<HostPort, Wrong> {
    if let Some(end) = rest.find(['/', '?', '#']) {
        let (place, _) = rest.split_at(end);
        return Err(Wrong::new("bad", Part::End, "nothing after the port")
            .fix(format!("{scheme}://{place}"))
            .fix(format!("{scheme}://{place}:8000"))
            .example(example(scheme)));
    }
    let place = split(scheme, rest)?;
    let host = if place.bracketed { ipv6(place.host) } else { host(place.host) };
    let host = host.map_err(|wrong| wrong.example(example(scheme)))?;
    Ok(HostPort { host, port: place.port })
}

fn multicast(rest: &str) -> Result<MulticastAddress, Wrong> {
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let place_text = place;
    let place = split("multicast", place)?;
    let group = if place.bracketed {
        place.host.parse().map(IpAddr::V6).ok()
    } else {
        place.host.parse().map(IpAddr::V4).ok()
    };
    let Some(group) = group.filter(IpAddr::is_multicast) else {
        let expected = "224.0.0.0 to 239.255.255.255, or an IPv6 address from ff00::/8 in brackets";
        return Err(Wrong::new("bad", Part::Group, expected).example(example("multicast")));
    };
    let (ttl, interface, loopback) = (None, None, None);
    let mut address = MulticastAddress { group, port: place.port, ttl, interface, loopback };
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        parameter(&mut address, place_text, pair)?;
    }
    Ok(address)
}

/// Reads one `name=value` into `address`.
fn parameter(address: &mut MulticastAddress, place: &str, pair: &str) -> Result<(), Wrong> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let bad = |part, expected| {
        Err(Wrong::new("bad", part, expected)
            .found(value)
            .example("multicast://239.1.2.3:9000?ttl=5&interface=eth0&loop=true"))
    };
    let is_first = match name {
        "ttl" => match value.parse() {
            Ok(ttl) if value.bytes().all(|b| b.is_ascii_digit()) => {
                address.ttl.replace(ttl).is_none()
            }
            _ => return bad(Part::Ttl, "a number from 0 to 255"),
        },
        "interface" => {
            let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.:@".contains(c);
            if value.is_empty() || value.len() > INTERFACE_BYTES || !value.chars().all(is_good) {
                return bad(Part::Interface, "the name of a network interface, or its address");
            }
            address.interface.replace(value.to_owned()).is_none()
        }
        "loop" => match value.parse() {
            Ok(loopback) => address.loopback.replace(loopback).is_none(),
            Err(_) => return bad(Part::Loop, "true or false"),
        },
        _ => {
            let mut wrong =
                Wrong::new("unknown", Part::Parameter, "ttl, interface or loop").found(name);
            let meant = wrong.did_you_mean(name, &["ttl", "interface", "loop"]).unwrap_or("ttl");
            return Err(wrong
                .fix(format!("multicast://{place}?{meant}={value}"))
                .example(example("multicast")));
        }
    };
    if is_first {
        return Ok(());
    }
    Err(Wrong::new("repeated", Part::Parameter, "each parameter once")
        .found(name)
        .fix(format!("multicast://{place}?{pair}")))
}

/// `host:port`, cut but not checked beyond its port.
struct Place<'a> {
    /// Without brackets.
    host: &'a str,
    bracketed: bool,
    port: u16,
}

fn split<'a>(scheme: &str, text: &'a str) -> Result<Place<'a>, Wrong> {
    let (host, port, bracketed) = if let Some(inner) = text.strip_prefix('[') {
        let Some((host, after)) = inner.split_once(']') else {
            return Err(Wrong::new("bad", Part::Host, "a closing `]`").example("tcp://[::1]:8000"));
        };
        if !after.is_empty() && !after.starts_with(':') {
            return Err(Wrong::new("bad", Part::Port, "`:` and a number from 0 to 65535")
                .fix(format!("{scheme}://[{host}]:{after}"))
                .example(example(scheme)));
        }
        (host, after.strip_prefix(':'), true)
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port), false),
            None => (text, None, false),
        }
    };
    if !bracketed && host.contains(':') {
        return Err(Wrong::new("bad", Part::Host, "an IPv6 address in brackets")
            .fix(format!("{scheme}://[{host}]:{}", port.unwrap_or("8000")))
            .fix(format!("{scheme}://[{text}]:8000"))
            .example(example(scheme)));
    }
    let Some(port) = port else {
        return Err(Wrong::new("missing", Part::Port, "`:` and a number from 0 to 65535")
            .fix(format!("{scheme}://{text}:8000"))
            .example(example(scheme)));
    };
    // `+80` parses too, and is no port.
    let is_number = port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(port) if is_number => Ok(Place { host, bracketed, port }),
        _ => {
            Err(Wrong::new("bad", Part::Port, "a number from 0 to 65535").example(example(scheme)))
        }
    }
}

/// A host without brackets: a name or an IPv4 address.
fn host(text: &str) -> Result<String, Wrong> {
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(ip.to_string());
    }
    if text.is_empty() {
        let expected = "a name or an IP address (0.0.0.0 stands for all of this machine)";
        return Err(Wrong::new("missing", Part::Host, expected));
    }
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=LABEL_BYTES).contains(&label.len()) && label.chars().all(is_good)
    };
    if text.len() > HOST_BYTES || !labels.split('.').all(is_label) {
        let expected = "a name of letters, digits, `-`, `_` and `.`, or an IP address";
        return Err(Wrong::new("bad", Part::Host, expected));
    }
    // No top-level domain is a number: this was meant as an IPv4 address.
    let last = labels.rsplit('.').next().unwrap_or(labels);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Wrong::new("bad", Part::Host, "four numbers from 0 to 255, as in 127.0.0.1"));
    }
    Ok(text.to_ascii_lowercase())
}

/// A host that stood in brackets: an IPv6 address, perhaps with a zone.
fn ipv6(text: &str) -> Result<String, Wrong> {
    let (ip, zone) = match text.split_once('%') {
        Some((ip, zone)) => (ip, Some(zone)),
        None => (text, None),
    };
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_zone =
        |zone: &str| (1..=INTERFACE_BYTES).contains(&zone.len()) && zone.chars().all(is_good);
    match ip.parse::<Ipv6Addr>() {
        Ok(ip) if zone.is_none() => Ok(ip.to_string()),
        Ok(ip) if zone.is_some_and(is_zone) => Ok(format!("{ip}%{}", zone.unwrap_or_default())),
        _ => Err(Wrong::new("bad", Part::Host, "an IPv6 address in the brackets, as in [::1]")),
    }
}

fn example(scheme: &str) -> &'static str {
    match scheme {
        "tls" => "tls://127.0.0.1:8000",
        "udp" => "udp://127.0.0.1:8000",
        "multicast" => "multicast://239.1.2.3:9000",
        _ => "tcp://127.0.0.1:8000",
    }
}

const SCHEMES: [&str; 6] = ["tcp", "tls", "unix", "udp", "multicast", "memory"];

const EXPECTED_SCHEMES: &str = "tcp, tls, unix, udp, multicast or memory";

/// A suggestion longer than this helps nobody.
const SUGGESTION_BYTES: usize = 120;

/// `sun_path` has 108 bytes on Linux, of which the last is zero. Other systems have a few less and refuse themselves.
const UNIX_BYTES: usize = 107;

/// A full domain name in its text form (RFC 1035), and one label of it.
const HOST_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// Linux allows 15 bytes, Windows has longer ones.
const INTERFACE_BYTES: usize = 64;

const MEMORY_BYTES: usize = 255;
