//! What hostile and heavy peers cost in memory, counted by the allocator.
//!
//! The server has a thread and a runtime of its own; its peers are bare sockets, which allocate nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use msgrpc::{Server, ServerHandle, Style, Value};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

#[msgrpc::service]
trait Sink {
    async fn bytes(&self, data: &[u8]) -> usize;
    async fn owned(&self, data: Vec<u8>) -> usize;
    async fn text(&self, text: String) -> usize;
    async fn numbers(&self, numbers: Vec<u16>) -> usize;
    async fn any(&self, value: Value) -> usize;
    async fn produce(&self, count: usize) -> Value;
    #[msgrpc(notification)]
    async fn note(&self, number: u8);
}

struct Hole;

impl Sink for Hole {
    async fn bytes(&self, data: &[u8]) -> usize {
        data.len()
    }

    async fn owned(&self, data: Vec<u8>) -> usize {
        data.len()
    }

    async fn text(&self, text: String) -> usize {
        text.len()
    }

    async fn numbers(&self, numbers: Vec<u16>) -> usize {
        numbers.len()
    }

    async fn any(&self, value: Value) -> usize {
        value.as_array().map_or(0, <[Value]>::len)
    }

    async fn produce(&self, count: usize) -> Value {
        Value::Binary(vec![7; count])
    }

    async fn note(&self, _number: u8) {}
}

/// A server on a thread of its own, warmed up; while it is held, no other test counts.
struct Ward {
    place: String,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    _alone: MutexGuard<'static, ()>,
}

impl Ward {
    fn open() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, hears) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::new(SinkService::new(Hole)).listen("tcp://127.0.0.1:0");
                let server = server.bind().await.unwrap();
                told.send((server.addresses()[0].clone(), server.handle())).unwrap();
                server.run().await.unwrap();
            });
        });
        let (address, handle) = hears.recv().unwrap();
        let place = address.to_string().strip_prefix("tcp://").unwrap().to_owned();
        let ward = Self { place, handle, thread: Some(thread), _alone: alone };
        for _ in 0..3 {
            ward.is_alive();
        }
        ward
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.place).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket
    }

    /// Whether a call is answered.
    fn is_alive(&self) {
        let mut socket = self.connect();
        socket.write_all(&request("bytes", &[0xc4, 1, 9])).unwrap();
        let mut answer = [0; 5];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x94, 1, 7, 0xc0, 1]);
    }

    /// The most bytes that were held at once, beyond what was held before, while `attack` ran.
    fn peak(&self, attack: impl FnOnce(&Self)) -> usize {
        let before = self.settled();
        HEAP.reset_peak_usage();
        attack(self);
        HEAP.peak_usage() - before
    }

    /// The same, while the server reads and refuses `bytes`.
    fn peak_of(&self, bytes: &[u8]) -> usize {
        self.peak(|ward| {
            ward.send(bytes);
        })
    }

    /// What is held when nothing changes any more.
    fn settled(&self) -> usize {
        let mut last = 0;
        loop {
            self.is_alive();
            let now = HEAP.current_usage();
            if now == last {
                return now;
            }
            last = now;
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends `bytes` and waits until the server has ended the connection, or has answered.
    fn send(&self, bytes: &[u8]) -> usize {
        let mut socket = self.connect();
        // A server that has had enough closes before all is written.
        drop(socket.write_all(bytes));
        drop(socket.shutdown(Shutdown::Write));
        let (mut read, mut buffer) = (0, [0; 512]);
        while let Ok(count @ 1..) = socket.read(&mut buffer) {
            read += count;
        }
        read
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        self.handle.abort();
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// The request 7 with one encoded argument.
fn request(method: &str, argument: &[u8]) -> Vec<u8> {
    let mut message = vec![0x94, 0, 7];
    msgrpc_core::value::encode(method, Style::Named, &mut message).unwrap();
    message.push(0x91);
    message.extend_from_slice(argument);
    message
}

#[test]
fn a_claim_of_four_gigabytes_at_any_place_takes_less_than_64_kib() {
    let ward = Ward::open();
    let heads: [&[u8]; 6] = [
        &[0xc6, 0xff, 0xff, 0xff, 0xff],
        &[0xdb, 0xff, 0xff, 0xff, 0xff],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0xdf, 0x80, 0, 0, 0],
        &[0xc9, 0xff, 0xff, 0xff, 0xff, 1],
    ];
    let places: [&[u8]; 9] = [
        &[],
        &[0x94],
        &[0x94, 0],
        &[0x94, 0, 7],
        &[0x94, 0, 7, 0xa4, b't', b'e', b'x', b't'],
        &[0x94, 0, 7, 0xa4, b't', b'e', b'x', b't', 0x91],
        &[0x94, 0, 7, 0xa3, b'a', b'n', b'y', 0x91, 0x81, 1, 0x91],
        &[0x94, 1, 0, 0xc0],
        &[0x93, 2, 0xa4, b'n', b'o', b't', b'e'],
    ];
    for head in heads {
        for place in places {
            let bytes = [place, head].concat();
            let peak = ward.peak_of(&bytes);
            assert!(peak < 64 * KIB, "{peak} bytes for {bytes:02x?}");
        }
        let nested = [&request("any", &[])[..], &[0x91].repeat(1000), head].concat();
        let peak = ward.peak_of(&nested);
        assert!(peak < 64 * KIB, "{peak} bytes for {head:02x?}, a thousand deep");
    }
}

/// `count` times an element, as an array.
fn array(count: u32, element: &[u8]) -> Vec<u8> {
    [&[0xdd][..], &count.to_be_bytes(), &element.repeat(count as usize)].concat()
}

#[test]
fn a_large_message_takes_at_most_four_times_its_length() {
    let ward = Ward::open();
    let length = 8 * MIB - 100;
    let long = |head: u8, byte: u8| {
        [&[head][..], &u32::try_from(length).unwrap().to_be_bytes(), &vec![byte; length]].concat()
    };
    let elements = (1 << 20) - 10;
    let cases = [
        ("borrowed bytes", request("bytes", &long(0xc6, 7))),
        ("bytes", request("owned", &long(0xc6, 7))),
        ("text", request("text", &long(0xdb, b'x'))),
        ("bytes, one by one", request("owned", &array(elements, &[9]))),
        ("numbers", request("numbers", &array(elements, &[0xcd, 1, 0]))),
    ];
    for (name, message) in cases {
        let peak = ward.peak(|ward| {
            let read = ward.send(&message);
            assert!((5..=10).contains(&read), "{name}: an answer of {read} bytes");
        });
        assert!(peak <= 4 * message.len(), "{name}: {peak} for {}", message.len());
    }
}

#[test]
fn eight_mebibytes_of_tiny_elements_are_refused_by_their_number() {
    let ward = Ward::open();
    let peak = ward.peak_of(&request("any", &array(8 << 20, &[0xc0])));
    assert!(peak < 256 * KIB, "beyond the elements of a message: {peak}");
    let message = request("any", &array(1 << 19, &[0xc0]));
    let peak = ward.peak_of(&message);
    let parts = (1 << 16) * size_of::<Value>();
    assert!(peak < 4 * message.len() + 2 * parts, "beyond the parts of a value: {peak}");
}

#[test]
fn a_peer_that_never_reads_costs_its_mark_and_one_message() {
    let ward = Ward::open();
    let wanted = request("produce", &[0xce, 0, 1, 0x86, 0xa0]);
    let flood = wanted.repeat(5_000);
    let mut socket = ward.connect();
    let peak = ward.peak(|ward| {
        socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        // It is stopped by whichever is full first: our backlog, or the buffers of the kernel.
        drop(socket.write_all(&flood));
        ward.is_alive();
        std::thread::sleep(Duration::from_millis(200));
        ward.is_alive();
    });
    assert!(peak < 3 * MIB, "{peak} bytes for answers of which 1 MiB may wait");
}

#[test]
fn a_burst_of_the_smallest_messages_takes_no_more_than_its_buffers() {
    let ward = Ward::open();
    let flood = [0x93, 2, 0xa4, b'n', b'o', b't', b'e', 0x91, 1].repeat(200_000);
    let peak = ward.peak(|ward| assert_eq!(ward.send(&flood), 0));
    assert!(peak < MIB, "{peak} bytes");
}

#[test]
fn a_connection_that_was_used_and_is_idle_takes_less_than_two_and_a_half_kib() {
    const CONNECTIONS: usize = 200;
    let ward = Ward::open();
    let before = ward.settled();
    let idle: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut socket = ward.connect();
            socket.write_all(&request("bytes", &[0xc4, 1, 9])).unwrap();
            socket.read_exact(&mut [0; 5]).unwrap();
            socket
        })
        .collect();
    let each = (ward.settled() - before) / CONNECTIONS;
    assert!(each < 2 * KIB + 512, "{each} bytes");
    drop(idle);
    let begun = Instant::now();
    while ward.settled() > before + 16 * KIB {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is not given back");
    }
}

#[test]
fn clients_that_come_and_go_leave_no_memory_behind() {
    let ward = Ward::open();
    let before = ward.settled();
    for _ in 0..2_000 {
        ward.is_alive();
    }
    let left = ward.settled().saturating_sub(before);
    assert!(left < 16 * KIB, "{left} bytes");
}
