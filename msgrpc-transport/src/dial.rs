//! Connecting to an address: whichever of its socket addresses answers first.
//!
//! Used by [`Dialer`](crate::Dialer) and by clients. It makes one round of tries and never repeats it: that is the
//! reconnecting client's part.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::{sleep, timeout};

#[cfg(unix)]
use crate::unix;
use crate::{Address, Attempt, ConnectError, DialOptions, Stream, memory, tcp, tls};

/// Connects to `address`.
///
/// A host name is looked up each time. Its addresses are tried in the order of RFC 8305: the families alternate, the
/// next one is started when one fails or has not answered for [`DialOptions::attempt_delay`], and the first that
/// answers wins. So a dead address costs a quarter of a second, not the whole [`DialOptions::connect_timeout`].
///
/// # Errors
///
/// [`ConnectError`] with each address tried and the reason of each.
///
/// # Cancel safety
///
/// Dropping the future closes whatever was begun.
///
/// # Examples
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use msgrpc_transport::{DialOptions, dial};
///
/// let stream = dial(&"tcp://127.0.0.1:8000".parse()?, &DialOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
pub async fn dial(address: &Address, options: &DialOptions) -> Result<Stream, ConnectError> {
    match address {
        Address::Tcp(host) => tcp::dial(address, host, options).await,
        Address::Tls(host) => tls::dial(address, host, options).await,
        Address::Memory(name) => memory::dial(address, name, options).await,
        #[cfg(unix)]
        Address::Unix(unix) => unix::dial(address, unix, options).await,
        _ => Err(ConnectError::Unsupported { address: address.clone() }),
    }
}

/// Tries `addresses`, the next one after `delay` or as soon as one has failed. `None` when all have failed; why is
/// in `attempts`, in the order in which they were begun. Dropping the race leaves those without an error that had not
/// answered yet.
pub(crate) async fn race<T, F>(
    addresses: Vec<SocketAddr>,
    delay: Duration,
    connect: impl Fn(SocketAddr) -> F,
    attempts: &mut Vec<Attempt>,
) -> Option<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    loop {
        if let Some(address) = waiting.next() {
            let (index, connecting) = (attempts.len(), connect(address));
            attempts.push(Attempt::begun(address));
            running.push(async move { (index, connecting.await) });
        }
        tokio::select! {
            biased;
            Some((index, result)) = running.next() => match result {
                Ok(stream) => return Some(stream),
                Err(error) => attempts[index].fail(error),
            },
            () = sleep(delay), if waiting.len() > 0 => {}
            else => return None,
        }
    }
}

/// Waits for `future`, but not longer than `limit`, which is returned when it is over.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    future: impl Future<Output = T>,
) -> Result<T, Duration> {
    match limit {
        Some(limit) => timeout(limit, future).await.map_err(|_elapsed| limit),
        None => Ok(future.await),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    const DELAY: Duration = Duration::from_millis(250);

    /// Ports below 10 never answer, those below 20 refuse, the others connect after a second.
    async fn connect(address: SocketAddr) -> io::Result<u16> {
        match address.port() {
            0..10 => pending().await,
            10..20 => Err(io::ErrorKind::ConnectionRefused.into()),
            port => {
                sleep(Duration::from_secs(1)).await;
                Ok(port)
            }
        }
    }

    fn ports(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn five_dead_addresses_cost_a_quarter_of_a_second_each() {
        let (start, mut attempts) = (Instant::now(), Vec::new());
        let winner = race(ports(&[1, 2, 3, 4, 5, 20]), DELAY, connect, &mut attempts).await;
        assert_eq!(winner, Some(20));
        assert_eq!(start.elapsed().as_millis(), 5 * 250 + 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_at_once() {
        let (start, mut attempts) = (Instant::now(), Vec::new());
        let winner = race(ports(&[10, 11, 20, 21]), DELAY, connect, &mut attempts).await;
        assert_eq!(winner, Some(20));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_race_ends_when_all_have_failed() {
        let (start, mut attempts) = (Instant::now(), Vec::new());
        let winner = race(ports(&[10, 11, 12]), DELAY, connect, &mut attempts).await;
        assert_eq!((winner, attempts.len()), (None, 3));
        assert!(attempts.iter().all(|attempt| attempt.error().is_some()));
        assert!(start.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_knows_who_refused_and_who_never_answered() {
        let mut attempts = Vec::new();
        let limit = Some(Duration::from_secs(5));
        let result = within(limit, race(ports(&[10, 1]), DELAY, connect, &mut attempts)).await;
        assert_eq!(result, Err(Duration::from_secs(5)));
        let error = ConnectError::TimedOut {
            address: "tcp://localhost:1".parse().unwrap(),
            timeout: Duration::from_secs(5),
            attempts,
        };
        assert_eq!(
            error.to_string(),
            "could not connect to tcp://localhost:1 within 5s (connect_timeout): \
             127.0.0.1:10: connection refused; 127.0.0.1:1: no answer"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_no_winner() {
        assert_eq!(race(ports(&[]), DELAY, connect, &mut Vec::new()).await, None);
    }
}
