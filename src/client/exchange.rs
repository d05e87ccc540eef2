//! `Exchange` and `Posting`: a client's call and notification under way, whatever carries them.
//!
//! Made by [`Client`](super::Client); each only passes on to the one of its transport.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::stream::{StreamExchange, StreamPosting};
use crate::caller::Answer;
use crate::datagram::{DatagramExchange, DatagramPosting};
use crate::error::CallError;

/// One call of a [`Client`](crate::Client): a future of its answer.
///
/// # Cancel safety
///
/// Dropping it forgets the call; see [`Call`](crate::Call).
#[derive(Debug)]
pub struct Exchange(pub(super) ExchangeKind);

#[derive(Debug)]
pub(super) enum ExchangeKind {
    Stream(StreamExchange),
    Datagram(DatagramExchange),
}

impl Future for Exchange {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            ExchangeKind::Stream(exchange) => Pin::new(exchange).poll(cx),
            ExchangeKind::Datagram(exchange) => Pin::new(exchange).poll(cx),
        }
    }
}

/// One notification of a [`Client`](crate::Client): ready when it is queued.
///
/// # Cancel safety
///
/// Dropping it before it is ready sends nothing.
#[derive(Debug)]
pub struct Posting(pub(super) PostingKind);

#[derive(Debug)]
pub(super) enum PostingKind {
    Stream(StreamPosting),
    Datagram(DatagramPosting),
}

impl Future for Posting {
    type Output = Result<(), CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            PostingKind::Stream(posting) => Pin::new(posting).poll(cx),
            PostingKind::Datagram(posting) => Pin::new(posting).poll(cx),
        }
    }
}
