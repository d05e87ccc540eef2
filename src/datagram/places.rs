//! How many requests are at work, in all and of one source address.
//!
//! Used by the server of datagrams. A request without a place is not started; nobody waits for one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::DatagramOptions;

/// The places of one socket.
#[derive(Debug)]
pub(super) struct Places {
    taken: Mutex<Taken>,
    most: usize,
    most_of_one: usize,
}

/// `all` is the sum of `by_source`, which has no zeros: at most `most` entries.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

impl Places {
    pub(super) fn new(options: &DatagramOptions) -> Self {
        Self {
            taken: Mutex::default(),
            most: options.requests_at_work,
            most_of_one: options.requests_per_source,
        }
    }

    /// A place for a request of `source`; `None` when there are too many.
    pub(super) fn take(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let mut taken = self.lock();
        if taken.all >= self.most {
            return None;
        }
        let of_one = taken.by_source.get(&source).copied().unwrap_or_default();
        if of_one >= self.most_of_one {
            return None;
        }
        taken.by_source.insert(source, of_one + 1);
        taken.all += 1;
        Some(Place { places: Arc::clone(self), source })
    }

    /// Places that are taken.
    pub(super) fn taken(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics while it is held.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(of_one) = taken.by_source.get_mut(&self.source) {
            *of_one -= 1;
            if *of_one == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_out_for_one_source_and_for_all_and_come_back() {
        let options = DatagramOptions::default().requests_at_work(3).requests_per_source(2);
        let places = Arc::new(Places::new(&options));
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let first = places.take(a).unwrap();
        let second = places.take(a).unwrap();
        assert!(places.take(a).is_none(), "two of one source are enough");
        let third = places.take(b).unwrap();
        assert!(places.take(c).is_none(), "three of all are enough");
        drop(first);
        let fourth = places.take(c).unwrap();
        drop((second, third, fourth));
        assert_eq!(places.taken(), 0);
        assert!(places.lock().by_source.is_empty(), "nothing is kept of a source without requests");
    }
}
