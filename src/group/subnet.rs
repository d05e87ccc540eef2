//! Subnets: from where replies are accepted.
//!
//! Used by [`GroupBuilder::accept_from`](crate::GroupBuilder::accept_from). A source address is what a datagram says of
//! itself: within a network that lets forged ones in, this keeps nobody out.

use std::fmt;
use std::net::IpAddr;

/// The addresses that begin with the same bits: `192.168.1.0/24`, `fd00::/8`; an address alone is itself only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    network: IpAddr,
    bits: u32,
}

impl Subnet {
    pub(super) fn parse(text: &str) -> Result<Self, SubnetError> {
        let bad = || SubnetError { text: text.chars().take(64).collect() };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_no_address| bad())?;
        let most = width(network);
        let bits = match bits {
            // `+8` parses too, and is no length.
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().map_err(|_no_number| bad())?
            }
            Some(_) => return Err(bad()),
            None => most,
        };
        if bits > most {
            return Err(bad());
        }
        Ok(Self { network, bits })
    }

    /// Whether `address` is one of them. An IPv4 address within IPv6 counts as what it is.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let number = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let differing = number(address) ^ number(self.network);
        let rest = width(self.network) - self.bits;
        address.is_ipv4() == self.network.is_ipv4()
            && differing.checked_shr(rest).is_none_or(|first| first == 0)
    }
}

/// Bits of an address of this family.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { u32::BITS } else { u128::BITS }
}

/// A text that is no subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetError {
    text: String,
}

impl fmt::Display for SubnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        write!(
            f,
            "bad subnet {text:?}: expected an address and the number of bits that count; a good one: 192.168.1.0/24"
        )
    }
}

impl std::error::Error for SubnetError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(subnet: &str, address: &str) -> bool {
        Subnet::parse(subnet).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_subnet_holds_the_addresses_that_begin_as_it_does() {
        for (subnet, address, is_in) in [
            ("192.168.1.0/24", "192.168.1.255", true),
            ("192.168.1.0/24", "192.168.2.0", false),
            ("192.168.1.77/24", "192.168.1.1", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/9", "10.128.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "fe80::1", true),
            ("::/0", "127.0.0.1", false),
            ("::1/128", "::1", true),
            ("::1/128", "::2", false),
        ] {
            assert_eq!(contains(subnet, address), is_in, "{address} in {subnet}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_good_one() {
        for text in
            ["", "/8", "localhost", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "10/8"]
        {
            let expected = format!(
                "bad subnet {text:?}: expected an address and the number of bits that count; a good \
                 one: 192.168.1.0/24"
            );
            assert_eq!(Subnet::parse(text).unwrap_err().to_string(), expected);
        }
    }
}
