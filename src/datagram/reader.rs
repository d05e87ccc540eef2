//! The task of a client over datagrams: receives answers, watches the time, sends what its callers could not.
//!
//! Started by [`DatagramLink`](super::DatagramLink). It ends with the client, and no error of the network ends it.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use msgrpc_core::connection::Event;
use msgrpc_core::datagram::Datagram;
use msgrpc_core::{MsgId, Payload, Raw};

use super::link::{Association, is_unreachable};
use super::pending::Pending;
use crate::connection::Alarm;

/// Runs until the client is closed.
pub(super) async fn drive(association: Arc<Association>) {
    // Also when the runtime drops this task, nobody waits on.
    let ending = Ending(association);
    let association = &ending.0;
    let mut alarm = Alarm::default();
    let mut buffer = BytesMut::new();
    let mut errors = 0;
    loop {
        // In each turn, so that answers that keep coming do not keep calls from being over.
        let again = association.with_pending(Pending::expire);
        association.send_again(again);
        let has_room = association.send_unsent();
        alarm.set(association.next_alarm());
        tokio::select! {
            biased;
            () = association.closing.cancelled() => break,
            received = association.socket.recv(&mut buffer) => match received {
                Ok(_) => {
                    errors = 0;
                    if let Err(error) = receive(association, &mut buffer) {
                        wait_out(association, error, &mut errors).await;
                    }
                }
                Err(error) => wait_out(association, error, &mut errors).await,
            },
            () = association.changed.notified() => {}
            () = room(association, has_room) => {}
            () = poll_fn(|cx| alarm.poll(cx)) => {}
        }
    }
    let flushing = async {
        while !association.send_unsent() {
            room(association, false).await;
        }
    };
    // It ends either way.
    drop(tokio::time::timeout(association.limits.write_stall_timeout, flushing).await);
}

struct Ending(Arc<Association>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Waits until something unsent may be sent, if there is any.
async fn room(association: &Association, has_room: bool) {
    if has_room || association.socket.room_to_send().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Handles the datagram in `buffer` and those that have come after it.
fn receive(association: &Association, buffer: &mut BytesMut) -> io::Result<()> {
    let mut answers = Vec::new();
    let mut handled = 0;
    let ended = loop {
        association.counters.received();
        read(association, &buffer.split().freeze(), &mut answers);
        handled += 1;
        if handled == BATCH {
            break Ok(());
        }
        match association.socket.try_recv(buffer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    association.with_pending(|pending, now, woken| {
        for (msgid, outcome) in answers {
            if !pending.answer(msgid, outcome, now, woken) {
                association.counters.unasked();
            }
        }
    });
    ended
}

/// Takes the answers out of one datagram.
fn read(
    association: &Association,
    datagram: &Bytes,
    answers: &mut Vec<(MsgId, Result<Payload, Payload>)>,
) {
    let counters = &association.counters;
    let messages = match Datagram::read(datagram, &association.limits) {
        Ok(messages) => messages,
        Err(error) => {
            tracing::debug!(peer = %association.peer_name(), %error, "a datagram was dropped");
            return counters.garbage();
        }
    };
    for (_, event) in messages.events() {
        match event {
            Event::Response(response) => {
                let outcome = response.outcome.map(Raw::keep).map_err(Raw::keep);
                answers.push((response.msgid, outcome));
            }
            Event::Malformed(_) => counters.garbage(),
            // This side serves nothing.
            _ => counters.unasked(),
        }
    }
}

/// What concerns the calls is told to them; what keeps coming is waited out.
async fn wait_out(association: &Association, error: io::Error, errors: &mut u32) {
    if is_unreachable(&error) {
        return association.unreachable(error, None);
    }
    tracing::debug!(peer = %association.peer_name(), %error, "receiving failed");
    *errors += 1;
    if *errors > MOST_ERRORS {
        *errors = 0;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Datagrams handled in one turn, whose callers are woken together.
const BATCH: usize = 32;

/// Errors in a row that are passed over before a pause.
const MOST_ERRORS: u32 = 64;

/// How long is waited after too many errors in a row.
const PAUSE: Duration = Duration::from_millis(5);
