//! Callers that wait until they may send: first come, first served.
//!
//! Used by [`Outbound`](super::Outbound) for `max_in_flight` and the mark of queued bytes. A waiter
//! that is let through is taken out of the line and keeps its place among those let through until it
//! sends or gives up.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

use crate::calls::Deadline;

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The line itself.
#[derive(Debug, Default)]
pub(super) struct Line {
    next: u64,
    /// Calls that wait, in order of arrival.
    calls: BTreeMap<Ticket, Waiter>,
    /// Notifications that wait, in order of arrival; calls in flight do not hold them back.
    notifications: BTreeMap<Ticket, Waiter>,
    /// Those let through who have not sent yet: the sizes of their messages.
    admitted: BTreeMap<Ticket, usize>,
    /// The sum of `admitted`'s sizes.
    admitted_bytes: usize,
    /// Nobody's deadline has to be looked at before this time.
    earliest: Option<Instant>,
}

#[derive(Debug)]
struct Waiter {
    size: usize,
    waker: Waker,
    deadline: Option<Deadline>,
}

impl Line {
    /// Joins the end of the line with a call of `size` bytes.
    pub(super) fn join(&mut self, size: usize, waker: Waker, deadline: Option<Deadline>) -> Ticket {
        let ticket = self.ticket();
        self.calls.insert(ticket, Waiter { size, waker, deadline });
        self.note(deadline);
        ticket
    }

    /// Joins the end of the line with a notification of `size` bytes.
    pub(super) fn join_notification(
        &mut self,
        size: usize,
        waker: Waker,
        deadline: Option<Deadline>,
    ) -> Ticket {
        let ticket = self.ticket();
        self.notifications.insert(ticket, Waiter { size, waker, deadline });
        self.note(deadline);
        ticket
    }

    /// Whether this one was let through; otherwise `waker` is woken when it is.
    pub(super) fn poll(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        let waiting = match self.calls.get_mut(&ticket) {
            Some(waiter) => Some(waiter),
            None => self.notifications.get_mut(&ticket),
        };
        match waiting {
            Some(waiter) => {
                waiter.waker.clone_from(waker);
                false
            }
            None => true,
        }
    }

    /// Leaves the line, or the place among those let through.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.calls.remove(&ticket);
        self.notifications.remove(&ticket);
        if let Some(size) = self.admitted.remove(&ticket) {
            self.admitted_bytes -= size;
        }
    }

    /// Lets the first one through; only a notification unless `calls` may be sent.
    pub(super) fn admit(&mut self, calls: bool) -> Option<Waker> {
        let call = self.calls.keys().next().filter(|_| calls);
        let queue = match (call, self.notifications.keys().next()) {
            (Some(call), Some(notification)) if call < notification => &mut self.calls,
            (Some(_), None) => &mut self.calls,
            _ => &mut self.notifications,
        };
        let (ticket, waiter) = queue.pop_first()?;
        self.admitted.insert(ticket, waiter.size);
        self.admitted_bytes += waiter.size;
        Some(waiter.waker)
    }

    /// The wakers of those whose deadline is over; they leave the line by themselves.
    pub(super) fn expire(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        self.earliest = None;
        let mut later: Option<Deadline> = None;
        for waiter in self.calls.values().chain(self.notifications.values()) {
            match waiter.deadline {
                Some(deadline) if deadline.is_over(now) => woken.push(waiter.waker.clone()),
                Some(deadline) if later.is_none_or(|l| deadline.latest() < l.latest()) => {
                    later = Some(deadline);
                }
                _ => {}
            }
        }
        self.note(later);
    }

    /// The wakers of all who wait.
    pub(super) fn wakers(&self) -> impl Iterator<Item = Waker> {
        let waiting = self.calls.values().chain(self.notifications.values());
        waiting.map(|waiter| waiter.waker.clone())
    }

    /// When [`expire`](Self::expire) is to be called, at the latest.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.notifications.is_empty()
    }

    /// Those who wait.
    pub(super) fn len(&self) -> usize {
        self.calls.len() + self.notifications.len()
    }

    /// Those let through who have not sent yet, and the bytes they will send.
    pub(super) fn admitted(&self) -> (usize, usize) {
        (self.admitted.len(), self.admitted_bytes)
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        ticket
    }

    fn note(&mut self, deadline: Option<Deadline>) {
        if let Some(latest) = deadline.map(|deadline| deadline.latest()) {
            self.earliest = Some(self.earliest.map_or(latest, |earliest| earliest.min(latest)));
        }
    }
}
