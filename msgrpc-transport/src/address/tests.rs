//! The grammar: what parses, how it prints, and the exact text of each refusal.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> AddressError {
    match text.parse::<Address>() {
        Ok(address) => panic!("{text:?} was taken for {address:?}"),
        Err(error) => error,
    }
}

#[test]
fn good_addresses_print_as_they_were_written() {
    let texts = [
        "tcp://localhost:8000",
        "tcp://127.0.0.1:0",
        "tcp://[::1]:65535",
        "tcp://[fe80::1%eth0]:80",
        "tcp://a_b-c.example.:1",
        "tls://example.com:443",
        "unix:///run/app.sock",
        "unix:///run/with space/ü?x=1#y",
        "unix:@app",
        "udp://0.0.0.0:9000",
        "multicast://239.1.2.3:9000",
        "multicast://228.0.0.5:8000?ttl=5",
        "multicast://239.1.2.3:9000?ttl=5&interface=eth0&loop=true",
        "multicast://[ff02::1]:9000?interface=192.168.1.7&loop=false",
        "memory://tests::a/b-1",
    ];
    for text in texts {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn hosts_take_one_form() {
    assert_eq!(parse("tcp://LocalHost:080").to_string(), "tcp://localhost:80");
    assert_eq!(parse("tcp://[0:0:0:0:0:0:0:1]:80"), parse("tcp://[::1]:80"));
}

#[test]
fn parameters_may_stand_in_any_order() {
    let address = parse("multicast://239.1.2.3:9000?loop=false&ttl=0");
    assert_eq!(address.to_string(), "multicast://239.1.2.3:9000?ttl=0&loop=false");
}

#[test]
fn parts_are_at_hand() {
    let Address::Multicast(multicast) = parse("multicast://239.1.2.3:9000") else { panic!() };
    assert_eq!(multicast.group(), Ipv4Addr::new(239, 1, 2, 3));
    assert_eq!((multicast.ttl(), multicast.loopback(), multicast.interface()), (1, true, None));

    let Address::Unix(unix) = parse("unix:///run/app.sock") else { panic!() };
    assert_eq!((unix.path(), unix.abstract_name()), (Some(Path::new("/run/app.sock")), None));
    let Address::Unix(unix) = parse("unix:@app") else { panic!() };
    assert_eq!((unix.path(), unix.abstract_name()), (None, Some("app")));

    assert_eq!(parse("udp://localhost:7").port(), Some(7));
    assert_eq!(parse("memory://a").scheme(), "memory");
}

#[test]
fn hosts_are_checked_outside_of_texts_too() {
    assert_eq!(HostPort::new("[::1]", 1), HostPort::new("::1", 1));
    let error = HostPort::new("a b", 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"bad host in "a b": expected a name of letters, digits, `-`, `_` and `.`, or an IP address; a good address: tcp://127.0.0.1:8000"#
    );
}

#[test]
fn refusals_name_the_part_and_show_a_good_address() {
    for (text, expected) in REFUSALS {
        assert_eq!(refusal(text).to_string(), *expected, "for {text:?}");
    }
}

#[rustfmt::skip]
const REFUSALS: &[(&str, &str)] = &[
    // schemes
    ("", r#"missing scheme in "": expected tcp, tls, unix, udp, multicast or memory; a good address: tcp://127.0.0.1:8000"#),
    ("localhost:8000", r#"missing scheme in "localhost:8000": expected tcp, tls, unix, udp, multicast or memory; a good address: tcp://localhost:8000"#),
    ("[::1]:8000", r#"missing scheme in "[::1]:8000": expected tcp, tls, unix, udp, multicast or memory; a good address: tcp://[::1]:8000"#),
    ("localhost", r#"missing scheme in "localhost": expected tcp, tls, unix, udp, multicast or memory; a good address: tcp://localhost:8000"#),
    (":9000", r#"missing scheme in ":9000": expected tcp, tls, unix, udp, multicast or memory; a good address: tcp://127.0.0.1:9000"#),
    ("/run/app.sock", r#"missing scheme in "/run/app.sock": expected tcp, tls, unix, udp, multicast or memory; a good address: unix:///run/app.sock"#),
    ("./app.sock", r#"missing scheme in "./app.sock": expected tcp, tls, unix, udp, multicast or memory; a good address: unix:///run/app.sock"#),
    ("@app", r#"missing scheme in "@app": expected tcp, tls, unix, udp, multicast or memory; a good address: unix:@app"#),
    ("udp:localhost:1", r#"missing scheme in "udp:localhost:1": expected tcp, tls, unix, udp, multicast or memory; a good address: udp://localhost:1"#),
    ("http://localhost:80/rpc", r#"unknown scheme "http" in "http://localhost:80/rpc": expected tcp, tls, unix, udp, multicast or memory; a good address: tcp://localhost:80"#),
    ("https://example.com", r#"unknown scheme "https" in "https://example.com": expected tcp, tls, unix, udp, multicast or memory; a good address: tls://example.com:8000"#),
    ("tpc://localhost:80", r#"unknown scheme "tpc" in "tpc://localhost:80": expected tcp, tls, unix, udp, multicast or memory (did you mean tcp?); a good address: tcp://localhost:80"#),
    ("TCP://localhost:80", r#"unknown scheme "TCP" in "TCP://localhost:80": expected tcp, tls, unix, udp, multicast or memory (did you mean tcp?); a good address: tcp://localhost:80"#),
    ("file:///run/a", r#"unknown scheme "file" in "file:///run/a": expected tcp, tls, unix, udp, multicast or memory; a good address: unix:///run/a"#),
    (" tcp://localhost:80\n", r#"unexpected white space in " tcp://localhost:80\n": expected none around the address; a good address: tcp://localhost:80"#),
    // ports
    ("tcp://localhost:80000", r#"bad port in "tcp://localhost:80000": expected a number from 0 to 65535; a good address: tcp://127.0.0.1:8000"#),
    ("tcp://localhost:+80", r#"bad port in "tcp://localhost:+80": expected a number from 0 to 65535; a good address: tcp://127.0.0.1:8000"#),
    ("udp://localhost:", r#"bad port in "udp://localhost:": expected a number from 0 to 65535; a good address: udp://127.0.0.1:8000"#),
    ("tcp://localhost", r#"missing port in "tcp://localhost": expected `:` and a number from 0 to 65535; a good address: tcp://localhost:8000"#),
    ("tcp://[::1]", r#"missing port in "tcp://[::1]": expected `:` and a number from 0 to 65535; a good address: tcp://[::1]:8000"#),
    ("tcp://[::1]80", r#"bad port in "tcp://[::1]80": expected `:` and a number from 0 to 65535; a good address: tcp://[::1]:80"#),
    ("tcp://localhost:80/", r#"bad end in "tcp://localhost:80/": expected nothing after the port; a good address: tcp://localhost:80"#),
    ("tcp://localhost:80?ttl=5", r#"bad end in "tcp://localhost:80?ttl=5": expected nothing after the port; a good address: tcp://localhost:80"#),
    // hosts
    ("tcp://:8000", r#"missing host in "tcp://:8000": expected a name or an IP address (0.0.0.0 stands for all of this machine); a good address: tcp://127.0.0.1:8000"#),
    ("tcp://::1:80", r#"bad host in "tcp://::1:80": expected an IPv6 address in brackets; a good address: tcp://[::1]:80"#),
    ("tcp://::1", r#"bad host in "tcp://::1": expected an IPv6 address in brackets; a good address: tcp://[::1]:8000"#),
    ("tcp://[::1:80", r#"bad host in "tcp://[::1:80": expected a closing `]`; a good address: tcp://[::1]:8000"#),
    ("tls://[127.0.0.1]:80", r#"bad host in "tls://[127.0.0.1]:80": expected an IPv6 address in the brackets, as in [::1]; a good address: tls://127.0.0.1:8000"#),
    ("tcp://127.0.0.256:80", r#"bad host in "tcp://127.0.0.256:80": expected four numbers from 0 to 255, as in 127.0.0.1; a good address: tcp://127.0.0.1:8000"#),
    ("tcp://a..b:80", r#"bad host in "tcp://a..b:80": expected a name of letters, digits, `-`, `_` and `.`, or an IP address; a good address: tcp://127.0.0.1:8000"#),
    ("tcp://user@host:80", r#"bad host in "tcp://user@host:80": expected a name of letters, digits, `-`, `_` and `.`, or an IP address; a good address: tcp://127.0.0.1:8000"#),
    // unix
    ("unix://run/app.sock", r#"bad path in "unix://run/app.sock": expected unix:///path with an absolute path, or unix:@name; a good address: unix:///run/app.sock"#),
    ("unix:/tmp/a", r#"bad path in "unix:/tmp/a": expected unix:///path with an absolute path, or unix:@name; a good address: unix:///tmp/a"#),
    ("unix://@app", r#"bad path in "unix://@app": expected unix:///path with an absolute path, or unix:@name; a good address: unix:@app"#),
    ("unix:///", r#"missing path in "unix:///": expected at least one character; a good address: unix:///run/app.sock"#),
    ("unix:@", r#"missing name in "unix:@": expected at least one character; a good address: unix:@app"#),
    ("unix:///a\0b", r#"bad path in "unix:///a\0b": expected no control characters; a good address: unix:///run/app.sock"#),
    // multicast
    ("multicast://192.168.1.1:9000", r#"bad group in "multicast://192.168.1.1:9000": expected 224.0.0.0 to 239.255.255.255, or an IPv6 address from ff00::/8 in brackets; a good address: multicast://239.1.2.3:9000"#),
    ("multicast://239.1.2.3:9000?ttl=256", r#"bad ttl "256" in "multicast://239.1.2.3:9000?ttl=256": expected a number from 0 to 255; a good address: multicast://239.1.2.3:9000?ttl=5&interface=eth0&loop=true"#),
    ("multicast://239.1.2.3:9000?interface=", r#"bad interface "" in "multicast://239.1.2.3:9000?interface=": expected the name of a network interface, or its address; a good address: multicast://239.1.2.3:9000?ttl=5&interface=eth0&loop=true"#),
    ("multicast://239.1.2.3:9000?loop=yes", r#"bad loop "yes" in "multicast://239.1.2.3:9000?loop=yes": expected true or false; a good address: multicast://239.1.2.3:9000?ttl=5&interface=eth0&loop=true"#),
    ("multicast://239.1.2.3:9000?tll=7", r#"unknown parameter "tll" in "multicast://239.1.2.3:9000?tll=7": expected ttl, interface or loop (did you mean ttl?); a good address: multicast://239.1.2.3:9000?ttl=7"#),
    ("multicast://239.1.2.3:9000?", r#"unknown parameter "" in "multicast://239.1.2.3:9000?": expected ttl, interface or loop; a good address: multicast://239.1.2.3:9000"#),
    ("multicast://239.1.2.3:9000?ttl=1&ttl=2", r#"repeated parameter "ttl" in "multicast://239.1.2.3:9000?ttl=1&ttl=2": expected each parameter once; a good address: multicast://239.1.2.3:9000?ttl=2"#),
    // memory
    ("memory://", r#"missing name in "memory://": expected 1 to 255 letters, digits, `-`, `_`, `.`, `:` or `/`; a good address: memory://app"#),
    ("memory://a b", r#"bad name in "memory://a b": expected 1 to 255 letters, digits, `-`, `_`, `.`, `:` or `/`; a good address: memory://app"#),
];

#[test]
fn unix_addresses_are_as_long_as_the_system_has_room() {
    let path = |bytes: usize| format!("unix:///{}", "a".repeat(bytes - 1));
    assert_eq!(parse(&path(107)).to_string(), path(107));
    let error = refusal(&path(108)).to_string();
    assert!(error.starts_with("too long a path in \"unix:///aaa"), "{error}");
    assert!(error.contains("expected at most 107 bytes, as the system has it"), "{error}");

    let name = |bytes: usize| format!("unix:@{}", "a".repeat(bytes));
    assert_eq!(parse(&name(107)).to_string(), name(107));
    assert_eq!(refusal(&name(108)).part(), AddressPart::Name);
}

#[test]
fn refusals_are_short_whatever_came_in() {
    let texts = ["x".repeat(100_000), "\u{202e}\n".repeat(50_000), "http://".repeat(10_000)];
    for text in texts {
        let error = refusal(&text).to_string();
        assert!(error.contains('…') && error.len() < 2_000, "{error}");
        assert!(error.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{error}");
    }
}

#[test]
fn an_address_serves_where_text_does() {
    fn take(address: impl TryInto<Address, Error: Into<AddressError>>) -> Address {
        address.try_into().map_err(Into::into).unwrap()
    }
    let address = parse("tcp://localhost:1");
    assert_eq!(take("tcp://localhost:1"), address);
    assert_eq!(take("tcp://localhost:1".to_owned()), address);
    assert_eq!(take(&address), address);
    assert_eq!(take(address.clone()), address);
}

fn host_ports() -> impl Strategy<Value = HostPort> {
    prop_oneof![
        any::<SocketAddr>().prop_map(HostPort::from),
        (r"[a-z][a-z0-9_-]{0,10}(\.[a-z][a-z0-9]{0,5}){0,3}\.?", any::<u16>())
            .prop_map(|(host, port)| HostPort::new(&host, port).unwrap()),
        (any::<Ipv6Addr>(), "[a-z0-9]{1,15}", any::<u16>())
            .prop_map(|(ip, zone, port)| HostPort::new(&format!("{ip}%{zone}"), port).unwrap()),
    ]
}

fn multicasts() -> impl Strategy<Value = MulticastAddress> {
    let groups = prop_oneof![
        (224_u8..240, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| IpAddr::from([a, b, c, d])),
        any::<[u8; 15]>().prop_map(|rest| {
            let mut octets = [0xff; 16];
            octets[1..].copy_from_slice(&rest);
            IpAddr::from(octets)
        }),
    ];
    let interface = proptest::option::of("[a-z0-9_.:@-]{1,15}");
    (groups, any::<u16>(), any::<Option<u8>>(), interface, any::<Option<bool>>()).prop_map(
        |(group, port, ttl, interface, loopback)| MulticastAddress {
            group,
            port,
            ttl,
            interface,
            loopback,
        },
    )
}

fn addresses() -> impl Strategy<Value = Address> {
    let unix =
        r"(//)?[^\p{C}\s/@][^\p{C}\s]{0,20}".prop_map(|name| match name.strip_prefix("//") {
            Some(path) => UnixAddress { text: format!("/{path}") },
            None => UnixAddress { text: format!("@{name}") },
        });
    prop_oneof![
        host_ports().prop_map(Address::Tcp),
        host_ports().prop_map(Address::Tls),
        host_ports().prop_map(Address::Udp),
        unix.prop_map(Address::Unix),
        multicasts().prop_map(Address::Multicast),
        r"[\p{L}\p{Nd}_.:/-]{1,30}".prop_map(|name| Address::Memory(MemoryName { name })),
    ]
}

proptest! {
    #[test]
    fn what_was_printed_parses_to_the_same(address in addresses()) {
        let text = address.to_string();
        prop_assert_eq!(text.parse::<Address>(), Ok(address), "{}", text);
    }

    #[test]
    fn any_text_is_an_address_or_a_suggestion_of_one(text in any::<String>()) {
        if let Err(error) = text.parse::<Address>() {
            prop_assert!(error.suggestion().parse::<Address>().is_ok(), "{}", error);
        }
    }

    #[test]
    fn nearly_good_text_is_an_address_or_a_suggestion_of_one(
        text in r"(tcp|unix|multicast|memory|http)?(:|:/|://|:///)?[a1.:@\[\]]{0,8}(:80)?[?&=tl5 /]{0,6}"
    ) {
        match text.parse::<Address>() {
            Ok(address) => prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address)),
            Err(error) => prop_assert!(error.suggestion().parse::<Address>().is_ok(), "{}", error),
        }
    }
}
