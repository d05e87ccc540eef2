//! Scripted members of a group: they hear requests and send the bytes they are told to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::BytesMut;
use msgrpc::transport::DatagramSocket;
use msgrpc::{Group, GroupBuilder, Value};

use crate::support;

/// A group on the loopback interface that nobody else has. Port 0: its first member takes a free one.
pub(crate) fn address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (pid, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("multicast://239.{}.{}.{number}:0?interface=127.0.0.1", pid >> 8 & 0xff, pid & 0xff)
}

/// One member.
pub(crate) struct Member {
    hearing: DatagramSocket,
    answering: DatagramSocket,
}

/// A request or notification as a member heard it.
pub(crate) struct Heard {
    pub(crate) from: SocketAddr,
    pub(crate) message: Value,
}

impl Heard {
    /// The id of the request.
    pub(crate) fn msgid(&self) -> u32 {
        let id = &self.message.as_array().expect("a message is an array")[1];
        msgrpc::from_value(id.clone()).expect("an id is a number")
    }
}

impl Member {
    /// Joins.
    pub(crate) fn join(address: &str) -> Self {
        let sockets = DatagramSocket::member(&address.parse().unwrap()).unwrap();
        Self { hearing: sockets.hearing, answering: sockets.answering }
    }

    /// Where the group is, with its port.
    pub(crate) fn group(&self) -> String {
        self.hearing.address().to_string()
    }

    /// The next message to the group.
    pub(crate) async fn heard(&self) -> Heard {
        let mut bytes = BytesMut::new();
        let received = self.hearing.recv(&mut bytes).await.unwrap();
        let message = msgrpc_core::value::decode(&bytes).unwrap();
        Heard { from: received.from, message }
    }

    /// Sends `datagram` to whoever asked.
    pub(crate) async fn send(&self, to: SocketAddr, datagram: impl AsRef<[u8]>) {
        self.answering.send(datagram.as_ref(), Some(to), None).await.unwrap();
    }

    /// Answers the next request with `result`.
    pub(crate) async fn answer(&self, result: impl serde::Serialize) {
        let heard = self.heard().await;
        self.send(heard.from, support::response(heard.msgid(), result)).await;
    }

    /// The address that it answers from.
    pub(crate) fn port(&self) -> u16 {
        self.answering.address().port().unwrap()
    }
}

/// A group with this many members, joined.
pub(crate) async fn group(members: usize) -> (Group, Vec<Member>) {
    group_with(members, |builder| builder).await
}

/// The same, with these settings.
pub(crate) async fn group_with(
    members: usize,
    set: impl FnOnce(GroupBuilder) -> GroupBuilder,
) -> (Group, Vec<Member>) {
    let mut joined = vec![Member::join(&address())];
    let address = joined[0].group();
    joined.extend((1..members).map(|_| Member::join(&address)));
    (set(Group::builder(&address)).join().await.unwrap(), joined)
}
