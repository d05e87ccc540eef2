//! A host and a port → the socket addresses to try, in order.
//!
//! Used wherever a name becomes a socket. It never caches: a name is looked up each time.

use std::{collections::HashSet, io, net::SocketAddr};

use tokio::net::lookup_host;

use crate::HostPort;

/// Looks `host` up by the system's resolver; addresses need no look-up. At least one address, at most 32, no two equal.
///
/// # Errors
///
/// What the resolver said, or [`io::ErrorKind::NotFound`].
///
/// # Cancel safety
///
/// Dropping the future loses the answer. A look-up that has begun goes on in the runtime's blocking pool until the
/// system gives up.
pub async fn resolve(host: &HostPort) -> io::Result<Vec<SocketAddr>> {
    let mut seen = HashSet::new();
    let found = lookup_host((host.host(), host.port())).await?;
    let found: Vec<_> = found.filter(|address| seen.insert(*address)).take(MOST).collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(interleave(found))
}

/// Alternates between the families, beginning with that of the first address, otherwise in the system's order
/// (RFC 8305, section 4): when one family is dead, every second try still counts.
fn interleave(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = found.first().copied() else {
        return found;
    };
    let (same, other): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut other = other.into_iter();
    let mut order = Vec::new();
    for address in same {
        order.push(address);
        order.extend(other.next());
    }
    order.extend(other);
    order
}

/// More addresses than this cannot be tried within any sensible time.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_beginning_with_the_first() {
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let order = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(interleave(found), order);

        let found = addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        let order = addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(interleave(found), order);
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup() {
        let host = HostPort::new("::1", 7).unwrap();
        assert_eq!(resolve(&host).await.unwrap(), addresses(&["[::1]:7"]));
    }
}
