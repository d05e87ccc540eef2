//! The reader's half of a connection: bytes received, cut into messages, lent as events.
//!
//! Owned by whoever reads, without a lock. Looks at each byte once; never answers, never waits.

use bytes::{Buf, Bytes, BytesMut};

use super::event::Event;
use crate::error::{Greeting, ProtocolError};
use crate::limits::Limits;
use crate::message::{self, Malformed, Message};
use crate::payload::{Raw, SHARED_BYTES};
use crate::scan::{Scan, ScanLimits, Scanner};
use crate::spare;

/// Least room offered for a read: a chunk of this size carries over a thousand small messages.
const READ_BYTES: usize = 64 << 10;

/// Most room offered for a read that completes no message known to be larger. A peer that fills what it is
/// offered is offered more, since each read that ends within a large message moves the part that has come.
const MOST_READ_BYTES: usize = 256 << 10;

/// Bytes received and the messages in them.
///
/// ```text
/// buffer: [ event lent before | scanned, unfinished | not scanned | room for the next read ]
///           0 .. lent           scanner.scanned()
/// ```
#[derive(Debug)]
pub struct Inbound {
    /// Written by the transport, through [`buffer`](Self::buffer); consumed from its beginning.
    buffer: BytesMut,
    /// Bytes of the event lent last, removed when the next one is asked for.
    lent: usize,
    /// The frame of the event lent last, when it is large enough to be shared.
    frame: Bytes,
    scanner: Scanner,
    scan: ScanLimits,
    /// Bytes that the unfinished message needs at least.
    missing: usize,
    /// Room for the next read: doubled by each read that fills it, as before when nothing more comes.
    reading: usize,
    malformed: u32,
    malformed_limit: u32,
}

impl Inbound {
    /// The reading half of a connection with these limits.
    pub fn new(limits: &Limits) -> Self {
        let scan = limits.scan();
        Self {
            buffer: BytesMut::new(),
            lent: 0,
            frame: Bytes::new(),
            scanner: Scanner::new(scan),
            scan,
            missing: 0,
            reading: READ_BYTES,
            malformed: 0,
            malformed_limit: limits.protocol_errors,
        }
    }

    // Inputs.

    /// The buffer to read into, with room for what is known to be missing.
    ///
    /// Room grows with what has arrived, never with what a head claims: at most four times as much.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.consume();
        let trusted = self.buffer.len().saturating_mul(4).max(READ_BYTES);
        let room = self.buffer.capacity() - self.buffer.len();
        if room == 0 && self.buffer.capacity() > 0 {
            self.reading = (2 * self.reading).min(MOST_READ_BYTES);
        }
        if room < self.missing.clamp(READ_BYTES / 2, trusted) {
            // Half as much again at least, so that a message that never claims much is moved a few times only.
            let room = self.missing.clamp(READ_BYTES, trusted).max(self.buffer.len() / 2);
            // A buffer whose messages are still in use cannot begin again at its front.
            if !self.buffer.try_reclaim(room) {
                let bytes = (self.buffer.len() + room).max(self.reading);
                let mut buffer = spare::take(bytes);
                buffer.extend_from_slice(&self.buffer);
                spare::give_mut(std::mem::replace(&mut self.buffer, buffer));
            }
        }
        &mut self.buffer
    }

    /// Nothing more has arrived: gives the buffer away if nothing is in it, so that an idle connection
    /// keeps none, or changes a large one for a small one if there is little in it.
    pub fn release_buffer(&mut self) {
        const LITTLE_BYTES: usize = 4 << 10;
        self.consume();
        self.reading = READ_BYTES;
        if self.buffer.is_empty() {
            spare::give_mut(std::mem::take(&mut self.buffer));
        } else if self.buffer.len() <= LITTLE_BYTES && self.buffer.capacity() > READ_BYTES {
            let buffer = BytesMut::from(&self.buffer[..]);
            spare::give_mut(std::mem::replace(&mut self.buffer, buffer));
        }
    }

    /// Bytes that an unfinished message takes, if they are more than usual reading needs.
    pub fn unfinished_bytes(&self) -> usize {
        Some(self.buffer.capacity())
            .filter(|bytes| *bytes > READ_BYTES && self.is_partial())
            .unwrap_or(0)
    }

    /// The peer has closed its sending side.
    ///
    /// # Errors
    ///
    /// When a message was unfinished.
    pub fn handle_eof(&mut self) -> Result<(), ProtocolError> {
        self.consume();
        match self.buffer.len() {
            0 => Ok(()),
            received => Err(ProtocolError::CutOff { received }),
        }
    }

    // Outputs.

    /// The next message that is complete; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// When the connection cannot go on. Every later call gives the same error or another one.
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        self.consume();
        match self.buffer.first() {
            None => {
                self.missing = 0;
                return Ok(None);
            }
            // An array; or 0xc1, which is no value at all: the scanner names it.
            Some(0x90..=0x9f | 0xdc | 0xdd | 0xc1) => {}
            Some(_) => {
                let hint = Greeting::of(&self.buffer);
                return Err(ProtocolError::NotAnArray { hint });
            }
        }
        let len = match self.scanner.scan(&self.buffer) {
            Ok(Scan::Done { len }) => len,
            Ok(Scan::More { missing }) => {
                self.missing = missing;
                return Ok(None);
            }
            Err(error) => {
                let msgid = message::begun_request(&self.buffer);
                return Err(ProtocolError::Scan { error, msgid });
            }
        };
        self.lend(len).map(Some)
    }

    fn lend(&mut self, len: usize) -> Result<Event<'_>, ProtocolError> {
        let frame = if len >= SHARED_BYTES {
            self.frame = self.buffer.split_to(len).freeze();
            Raw::new(&self.frame, Some(&self.frame))
        } else {
            self.lent = len;
            Raw::new(&self.buffer[..len], None)
        };
        match message::read(frame, self.scan) {
            Ok(Message::Invocation(invocation)) => Ok(Event::Invocation(invocation)),
            Ok(Message::Response(response)) => Ok(Event::Response(response)),
            Err(malformed) => {
                Self::count(&mut self.malformed, self.malformed_limit, &malformed)?;
                Ok(Event::Malformed(malformed))
            }
        }
    }

    /// Counts what cannot be answered (W11).
    fn count(count: &mut u32, limit: u32, malformed: &Malformed) -> Result<(), ProtocolError> {
        if malformed.msgid.is_none() {
            *count += 1;
            if *count > limit {
                return Err(ProtocolError::TooManyMalformed { limit });
            }
        }
        Ok(())
    }

    // Getters.

    /// Whether a message has begun that is not complete.
    pub fn is_partial(&self) -> bool {
        self.buffer.len() > self.lent
    }

    /// Messages so far that were none and could not be answered.
    pub fn malformed(&self) -> u32 {
        self.malformed
    }

    fn consume(&mut self) {
        self.buffer.advance(std::mem::take(&mut self.lent));
        if !self.frame.is_empty() {
            self.frame = Bytes::new();
        }
    }
}
