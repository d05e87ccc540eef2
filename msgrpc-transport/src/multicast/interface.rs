//! The network interface that a multicast address names: found by its name or by one of its addresses.
//!
//! Used when a group is joined; looked up each time, since interfaces come and go. It never chooses one that nobody
//! named: the system does that.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr},
};

use if_addrs::get_if_addrs;

/// An interface of this machine and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    name: String,
    /// How the system counts it; IPv6 names interfaces so.
    index: Option<u32>,
    addresses: Vec<IpAddr>,
}

impl Interface {
    /// Every interface that has an address, in the system's order.
    pub(crate) fn all() -> io::Result<Vec<Self>> {
        let mut all: Vec<Self> = Vec::new();
        for found in get_if_addrs()? {
            let address = found.ip();
            match all.iter_mut().find(|interface| interface.name == found.name) {
                Some(interface) => interface.addresses.push(address),
                None => all.push(Self {
                    name: found.name,
                    index: found.index,
                    addresses: vec![address],
                }),
            }
        }
        Ok(all)
    }

    /// The one of `all` with this name, or with this address.
    pub(crate) fn named<'a>(all: &'a [Self], text: &str) -> Option<&'a Self> {
        let address: Option<IpAddr> = text.parse().ok();
        let is_named = |interface: &&Self| match &address {
            Some(address) => interface.addresses.contains(address),
            None => interface.name == text,
        };
        all.iter().find(is_named)
    }

    /// The IPv4 address that stands for it: `text`, if it was named so, else its first.
    pub(crate) fn ipv4(&self, text: &str) -> Option<Ipv4Addr> {
        let mut addresses = self.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        let named = text.parse().ok();
        addresses.clone().find(|address| Some(*address) == named).or_else(|| addresses.next())
    }

    /// The number that stands for it where it has an IPv6 address.
    pub(crate) fn ipv6(&self) -> Option<u32> {
        self.index.filter(|_| self.addresses.iter().any(IpAddr::is_ipv6))
    }
}

/// `lo (127.0.0.1, ::1)`
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.name)?;
        for (index, address) in self.addresses.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{address}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, index: u32, addresses: &[&str]) -> Interface {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Interface { name: name.to_owned(), index: Some(index), addresses }
    }

    fn machine() -> Vec<Interface> {
        vec![
            interface("lo", 1, &["127.0.0.1", "::1"]),
            interface("eth0", 2, &["192.0.2.2", "192.0.2.3", "fe80::1"]),
            interface("tun0", 3, &["fd00::1"]),
        ]
    }

    #[test]
    fn an_interface_is_found_by_name_and_by_any_of_its_addresses() {
        let all = machine();
        for text in ["eth0", "192.0.2.2", "192.0.2.3", "fe80::1"] {
            assert_eq!(Interface::named(&all, text), Some(&all[1]), "{text}");
        }
        for text in ["eth", "ETH0", "192.0.2.4", "::2"] {
            assert_eq!(Interface::named(&all, text), None, "{text}");
        }
    }

    #[test]
    fn the_address_that_it_was_named_by_stands_for_it() {
        let all = machine();
        let address = |text: &str| Interface::named(&all, text).unwrap().ipv4(text);
        assert_eq!(address("eth0"), Some(Ipv4Addr::new(192, 0, 2, 2)));
        assert_eq!(address("192.0.2.3"), Some(Ipv4Addr::new(192, 0, 2, 3)));
        assert_eq!(address("fe80::1"), Some(Ipv4Addr::new(192, 0, 2, 2)));
        assert_eq!(address("tun0"), None);
    }

    #[test]
    fn an_interface_without_ipv6_has_no_number_for_it() {
        let all = machine();
        assert_eq!(
            all.iter().map(Interface::ipv6).collect::<Vec<_>>(),
            [Some(1), Some(2), Some(3)]
        );
        assert_eq!(interface("eth1", 4, &["192.0.2.9"]).ipv6(), None);
    }

    #[test]
    fn it_prints_with_its_addresses() {
        assert_eq!(machine()[1].to_string(), "eth0 (192.0.2.2, 192.0.2.3, fe80::1)");
    }

    #[test]
    fn this_machine_has_its_loopback() {
        let all = Interface::all().unwrap();
        assert!(Interface::named(&all, "127.0.0.1").is_some(), "{all:?}");
    }
}
