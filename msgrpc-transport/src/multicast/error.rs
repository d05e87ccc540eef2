//! Why a multicast group cannot be joined, with the way out.
//!
//! Made by joining, on either side. Names the group always, and the interfaces of this machine where naming one would
//! help.

use std::{fmt, io};

use super::interface::Interface;
use crate::{Address, error::reason};

/// A group was not joined.
///
/// Prints, for example, ``cannot join multicast://239.1.2.3:9000?interface=eth7: this machine has no network interface
/// `eth7`; it has lo (127.0.0.1, ::1), eth0 (192.0.2.2)``.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MulticastError {
    /// The address is one of another transport.
    #[error(
        "cannot join {address}: it is no multicast address; a good one: multicast://239.1.2.3:9000"
    )]
    NotMulticast {
        /// The address.
        address: Address,
    },
    /// No interface has the name or the address that was given.
    #[error(
        "cannot join {address}: this machine has no network interface `{interface}`; it has {}",
        available
    )]
    NoSuchInterface {
        /// The group.
        address: Address,
        /// The interface.
        interface: String,
        /// What there is.
        available: Interfaces,
    },
    /// The interface has no address of the group's family.
    #[error(
        "cannot join {address}: the network interface `{interface}` has no {family} address; this \
         machine has {available}"
    )]
    NoAddress {
        /// The group.
        address: Address,
        /// The interface.
        interface: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// What there is.
        available: Interfaces,
    },
    /// An IPv6 group that reaches no further than one network: no route says which.
    #[error(
        "cannot join {address}: such a group is within one network, so that its interface must be \
         named: {}; this machine has {available}",
        with_interface(address, "eth0")
    )]
    InterfaceNeeded {
        /// The group.
        address: Address,
        /// What there is.
        available: Interfaces,
    },
    /// The system knows no way to the group.
    #[error(
        "cannot join {address}: there is no route to the group; {}",
        way_out(address, available)
    )]
    NoRoute {
        /// The group.
        address: Address,
        /// What there is.
        available: Interfaces,
    },
    /// The system refused.
    #[error("cannot join {address}: {}", reason(cause))]
    Io {
        /// The group.
        address: Address,
        /// What it said.
        cause: io::Error,
    },
}

/// The network interfaces of this machine, for error texts.
///
/// Prints as `lo (127.0.0.1, ::1), eth0 (192.0.2.2)`; no more than eight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interfaces(Vec<Interface>);

impl Interfaces {
    pub(super) fn new(all: Vec<Interface>) -> Self {
        Self(all)
    }
}

impl fmt::Display for Interfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none that is up and has an address");
        }
        for (index, interface) in self.0.iter().take(MOST).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{interface}")?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// More interfaces than this make an error longer, and no clearer.
const MOST: usize = 8;

/// What to do where there is no route.
fn way_out(address: &Address, available: &Interfaces) -> String {
    let Address::Multicast(multicast) = address else { return available.to_string() };
    match multicast.interface() {
        None => {
            let here = with_interface(address, "127.0.0.1");
            format!(
                "name the interface to use, which needs none: {here} stays within this machine; it has {available}"
            )
        }
        Some(interface) if multicast.group().is_ipv6() => format!(
            "is the network interface `{interface}` up, and does it carry IPv6 multicast? For one that does not, such \
             as the loopback: ip -6 route add local ff00::/8 dev {interface} table local"
        ),
        Some(interface) => format!("is the network interface `{interface}` up?"),
    }
}

/// The address with this interface, as a suggestion.
fn with_interface(address: &Address, interface: &str) -> String {
    let text = address.to_string();
    let mark = if text.contains('?') { '&' } else { '?' };
    format!("{text}{mark}interface={interface}")
}
