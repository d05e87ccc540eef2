//! Typed, asynchronous MessagePack-RPC: annotate a trait, get a server and a client.
//!
//! The wire is the open one ([specification][spec]), bare and unframed: the other end of a connection may be
//! Rust, or any program that has a socket and a MessagePack library. What is written and what is accepted is
//! numbered W1 to W15 in `WIRE.md` of the crate `msgrpc-core`; these pages quote the numbers.
//!
//! [spec]: https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md
//!
//! 1. [Quickstart](#quickstart)
//! 2. [Services](#services): methods, keys, arguments, results
//! 3. [Servers](#servers) and [clients](#clients)
//! 4. [When the server goes away](#when-the-server-goes-away)
//! 5. [Errors](#errors)
//! 6. [Timeouts and dropped calls](#timeouts-and-dropped-calls)
//! 7. [Notifications](#notifications)
//! 8. [Serving both ways](#serving-both-ways)
//! 9. [Calls without types](#calls-without-types)
//! 10. [Pools and several servers](#pools-and-several-servers)
//! 11. [Datagrams](#datagrams)
//! 12. [Multicast](#multicast)
//! 13. [Limits](#limits)
//! 14. [Addresses and transports](#addresses-and-transports)
//! 15. [TLS](#tls)
//! 16. [Features](#features)
//! 17. [Coming from tarpc](#coming-from-tarpc)
//!
//! # Quickstart
//!
//! ```
//! use msgrpc::{CallError, Server};
//! use serde::{Deserialize, Serialize};
//!
//! #[msgrpc::service]
//! pub trait Calculator {
//!     /// Returns `a + b`.
//!     async fn add(&self, a: i64, b: i64) -> i64;
//!     /// Returns `a / b`.
//!     async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero>;
//! }
//!
//! #[derive(Debug, Serialize, Deserialize, thiserror::Error)]
//! #[error("division by zero")]
//! pub struct DivideByZero;
//!
//! struct Calc;
//!
//! impl Calculator for Calc {
//!     async fn add(&self, a: i64, b: i64) -> i64 {
//!         a + b
//!     }
//!
//!     async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideByZero> {
//!         a.checked_div(b).ok_or(DivideByZero)
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::new(CalculatorService::new(Calc)).listen("tcp://127.0.0.1:0").bind().await?;
//!     let address = server.addresses()[0].to_string();
//!     tokio::spawn(server.run());
//!
//!     let calc = CalculatorClient::connect(&address).await?;
//!     let (five, forty_two) = tokio::try_join!(calc.add(2, 3), calc.add(40, 2))?;
//!     assert_eq!((five, forty_two), (5, 42));
//!     let refused = calc.divide(1, 0).await;
//!     assert!(matches!(refused, Err(CallError::Method(DivideByZero))));
//!     Ok(())
//! }
//! ```
//!
//! # Services
//!
//! For a trait `Foo`, [`service`](macro@service) emits the trait itself and, beside it:
//!
//! | item | what it is |
//! |---|---|
//! | `FooService<T>` | the server's side: wraps a value that implements `Foo`, and is a [`Service`] |
//! | `FooClient<C = Client>` | the caller's side: one method per method, each returning a [`Call`] or a [`Notify`] |
//! | `FooGroup` | the side of one who asks a [multicast group](#multicast): one method per method, each returning a [`GroupCall`] or a [`Notify`] |
//! | `FOO` | a [`ServiceDescriptor`]: names, parameters and docs as constants |
//!
//! The trait is implemented with plain `async fn`. Methods take `&self`, since calls run side by side: keep what
//! changes in a `Mutex` or an atomic. A request is polled at once where it arrived and moves to a task of its own
//! if it has to wait, so a slow method holds nobody up. A panic is answered with a fault, and the connection
//! lives on.
//!
//! Keys of the trait, `#[msgrpc::service(…)]`:
//!
//! | key | meaning |
//! |---|---|
//! | `namespace = "math"`, `separator = "."` | wire names are `math.add`; the separator is `.` by default |
//! | `allow_extra_args` | arguments beyond the last are ignored instead of refused |
//! | `compact` | structs are sent as arrays instead of maps with names |
//! | `crate = "path"` | where to find this crate when it is re-exported |
//!
//! Keys of a method, `#[msgrpc(…)]`:
//!
//! | key | meaning |
//! |---|---|
//! | `name = "PI"` | the name on the wire |
//! | `notification` | nothing is sent back; see [Notifications](#notifications) |
//! | `blocking` | a plain `fn`, run on tokio's pool for blocking work |
//! | `spawn` | an `async fn` that computes long before it first waits: starts on a task of its own |
//! | `idempotent` | executing it twice does the same as once: a call of it may be sent again when its answer was lost |
//! | `nil` | `None` at the end is sent as nil instead of being left out, for peers that count |
//! | `skip` | a method with a body that stays local |
//!
//! Arguments are a positional array on the wire (W3). `&str`, `&[u8]` and `Cow<'_, str>` borrow from the message: nothing
//! is copied on the way to the method. A trailing `Option<_>` may be missing in a request. `ctx: &Context`,
//! first, is filled in by the server and is no argument; see [`Context`].
//!
//! ```
//! use msgrpc::Context;
//!
//! #[msgrpc::service(namespace = "files")]
//! pub trait Files {
//!     /// On the wire: `files.write`, of a string, bytes and perhaps a mode.
//!     async fn write(&self, path: &str, data: &[u8], mode: Option<u32>) -> u64;
//!     /// The caller's address; it takes no argument on the wire.
//!     async fn whoami(&self, ctx: &Context) -> String;
//!     /// Runs on a thread for blocking work.
//!     #[msgrpc(blocking)]
//!     fn checksum(&self, path: std::borrow::Cow<'_, str>) -> u32;
//! }
//!
//! assert_eq!(FILES.methods()[0].name(), "files.write");
//! ```
//!
//! A result is anything that is `Serialize` and `DeserializeOwned`, and a method that can fail returns
//! `Result<T, E>`, written so, with an `E` that is both as well. Structs travel as maps with names, `Vec<u8>` as bytes;
//! numbers are accepted in any width that fits (W6).
//!
//! # Servers
//!
//! A [`Server`] is built from services and addresses. [`run_until`](Server::run_until) binds and serves until its
//! argument is ready. Then it accepts nothing more, answers what is at work for up to
//! [`shutdown_grace`](Server::shutdown_grace), and closes; see [ending](#ending).
//!
//! ```no_run
//! # #[msgrpc::service] pub trait Hello { async fn hello(&self) -> String; }
//! # struct Hi; impl Hello for Hi { async fn hello(&self) -> String { "hi".into() } }
//! # #[msgrpc::service] pub trait Bye { async fn bye(&self) -> String; }
//! # impl Bye for Hi { async fn bye(&self) -> String { "bye".into() } }
//! # async fn example() -> Result<(), msgrpc::ServeError> {
//! let stopped = msgrpc::Server::new(HelloService::new(Hi))
//!     .service(ByeService::new(Hi))
//!     .listen("tcp://127.0.0.1:8000")
//!     .run_until(tokio::signal::ctrl_c())
//!     .await?;
//! println!("{} requests were cut off", stopped.aborted);
//! # Ok(()) }
//! ```
//!
//! [`bind`](Server::bind) and then [`BoundServer::run`] do it in two steps, for whoever needs to know the port.
//!
//! ## Ending
//!
//! | by | how |
//! |---|---|
//! | a future | [`run_until`](Server::run_until) |
//! | SIGTERM, SIGINT, Ctrl-C | [`run_until_signal`](Server::run_until_signal); the second one ends at once. See [`signal`] |
//! | another task or thread | a [`ServerHandle`]: [`shutdown`](ServerHandle::shutdown), [`shutdown_within`](ServerHandle::shutdown_within), [`abort`](ServerHandle::abort) |
//! | a method | [`Context::server`] has the handle |
//!
//! A server ends within its grace and one second. What is at work when it is told to is answered, and what comes then is
//! refused with -32003; what the grace does not suffice for is dropped, and its caller's call is [`CallError::Closed`].
//! [`Stopped`] has the numbers of all that.
//!
//! ```
//! # #[msgrpc::service] pub trait Hello { async fn hello(&self) -> String; }
//! # struct Hi; impl Hello for Hi { async fn hello(&self) -> String { "hi".into() } }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = msgrpc::Server::new(HelloService::new(Hi)).listen("memory://ending").bind().await?;
//! let handle = server.handle();
//! tokio::spawn(server.run());
//! let hello = HelloClient::connect("memory://ending").await?;
//! hello.hello().await?;
//! handle.shutdown();
//! let stopped = handle.stopped().await;
//! assert_eq!((stopped.aborted, stopped.connections_closed), (0, 1));
//! # Ok(()) }
//! ```
//!
//! A method is dropped where it waits when its caller's connection is gone. Work that must not be cut in half goes through
//! [`Context::spawn`]: the server waits for it. A thread cannot be stopped, so a blocking method runs on, also beyond the
//! server's end. A method that computes or blocks where it stands holds its thread, and with it every connection of that
//! thread; from a second on there is a warning in the log.
//!
//! Under systemd, the feature `listenfd` has [`Server::inherit`](Server): the sockets of a socket unit.
//!
//! # Clients
//!
//! A [`Client`] has one connection at a time. Its clones share it; it closes when the last one is gone. A generated client
//! wraps one: `FooClient::connect(address)`, or `FooClient::new(client)` for a client with settings of its own, or one
//! that several traits are called through. Calls are futures that own what they need (`Send + 'static`), so they can be
//! joined, raced and spawned. What is sent at one time leaves in one write.
//!
//! # When the server goes away
//!
//! A client outlives its connections. When one ends, the client tries for another, for ever, with pauses that grow from
//! 50 ms to 12 s and are drawn at random, so that a thousand clients do not come back at one moment; the host name is
//! looked up anew for each try. [`Reconnect`] changes that: fewer tries, other pauses, or none at all.
//!
//! | a call that | ends so |
//! |---|---|
//! | was made while there is no connection | it waits for the next one, as long as its timeout; then [`CallError::NotConnected`] |
//! | had not left when the connection ended | the same: it is sent on the next connection by itself |
//! | had left, perhaps only its first byte | [`CallError::Closed`], at once: it may have been executed |
//! | had left and is marked [idempotent](Call::idempotent) | it is sent again, as far as [a budget](ClientBuilder::retry_budget) goes |
//!
//! So nothing is executed twice that was not marked as bearing it. A server that has vanished without a word is left after
//! [three timeouts in a row](Reconnect::silent_timeouts), or by the keep-alive of TCP.
//!
//! [`ClientBuilder::connect`] makes one round of five tries and then fails;
//! [`connect_lazy`](ClientBuilder::connect_lazy) returns at once and lets the calls wait. [`Client::state`] and
//! [`Client::watch`] tell how things stand, and [`ClientBuilder::on_connected`] takes a closure.
//!
//! ```
//! # #[msgrpc::service] pub trait Adder { async fn add(&self, a: i64, b: i64) -> i64; }
//! # struct Calc; impl Adder for Calc { async fn add(&self, a: i64, b: i64) -> i64 { a + b } }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use msgrpc::{Client, Reconnect, Server};
//!
//! let policy = Reconnect::default().max_interval(Duration::from_secs(1));
//! let client = Client::builder("memory://late").reconnect(policy).connect_lazy()?;
//! let adder = AdderClient::new(client.clone());
//! let sum = tokio::spawn(adder.add(40, 2));
//! assert!(!client.state().is_connected());
//!
//! // Only now there is a server.
//! let server = Server::new(AdderService::new(Calc)).listen("memory://late").bind().await?;
//! tokio::spawn(server.run());
//! assert_eq!(sum.await??, 42);
//! # Ok(()) }
//! ```
//!
//! # Errors
//!
//! A call fails with [`CallError<E>`], whose variants say who must act:
//!
//! | variant | what happened | [`was_sent`](CallError::was_sent) |
//! |---|---|---|
//! | [`Method(E)`](CallError::Method) | the method's own error, typed | yes |
//! | [`Fault`](CallError::Fault) | the peer's framework refused: see [`FaultCode`] | yes |
//! | [`Remote`](CallError::Remote) | an error of another shape, kept as a [`Value`] | yes |
//! | [`Decode`](CallError::Decode) | the answer is not of the method's type | yes |
//! | [`TimedOut`](CallError::TimedOut) | no answer in time | it tells |
//! | [`Closed`](CallError::Closed) | the connection ended; it knows [why](CloseReason) | it tells |
//! | [`NotConnected`](CallError::NotConnected) | there was no connection, or no way out for a datagram; it knows how often was tried, and why in vain | no |
//! | [`Unreachable`](CallError::Unreachable) | over [datagrams](#datagrams): nobody is there | yes |
//! | [`Protocol`](CallError::Protocol) | what came from a member of a group is no message | yes |
//! | [`Encode`](CallError::Encode) | an argument could not be encoded | no |
//! | [`TooLarge`](CallError::TooLarge) | the request is over [`Limits::outbound_message_bytes`] | no |
//!
//! Where `was_sent` is false no byte of the request can have reached the peer: it is safe to repeat. A method without
//! errors of its own has [`NoError`] for `E`. Connecting fails with [`ConnectError`], serving with [`ServeError`].
//!
//! Faults name what was wrong, for callers in any language: ``[-32602] method `add` takes 2 parameters (a: i64, b: i64),
//! got 3``. They travel as text, which every known peer reads; [`FaultFormat`] has the other way.
//!
//! # Timeouts and dropped calls
//!
//! A call waits 30 s for its answer, counted from its first poll. [`ClientBuilder::timeout`] changes that for a client,
//! [`Call::timeout`] for one call, and `None` waits for ever. One try of connecting takes 5 s at most, or
//! [`ClientBuilder::connect_timeout`]. The server is not told of a caller's timeout; a method that should give up takes
//! one as an argument, or the server has a [`method_timeout`](Server::method_timeout), which a method sees as
//! [`Context::deadline`].
//!
//! A connection may be silent for as long as it likes, unless [`Limits::idle_timeout`] says otherwise. Peers that have died
//! without a word are noticed by TCP's [keep-alive](KeepAlive), within two minutes by default.
//!
//! Dropping a call forgets it: it may be executed all the same, its late answer is ignored, and the connection stays
//! whole. A call that is dropped before its first poll is never sent.
//!
//! ```
//! # #[msgrpc::service] pub trait Slow { async fn sleep(&self, ms: u64); }
//! # struct Sleeper;
//! # impl Slow for Sleeper {
//! #     async fn sleep(&self, ms: u64) { tokio::time::sleep(std::time::Duration::from_millis(ms)).await }
//! # }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = msgrpc::Server::new(SlowService::new(Sleeper)).listen("memory://slow").bind().await?;
//! # tokio::spawn(server.run());
//! use std::time::Duration;
//! use msgrpc::{CallError, Client};
//!
//! let client = Client::builder("memory://slow").timeout(Duration::from_secs(10)).connect().await?;
//! let slow = SlowClient::new(client);
//! let late = slow.sleep(5_000).timeout(Duration::from_millis(10)).await;
//! assert!(matches!(late, Err(CallError::TimedOut(_))));
//! slow.sleep(1).await?;
//! # Ok(()) }
//! ```
//!
//! # Notifications
//!
//! A method under `#[msgrpc(notification)]` returns nothing and is not answered, not even with an error. The client's
//! future is ready when the message is queued. Notifications of one connection run one after another, in order of
//! arrival; a request that comes after one starts after it (W15).
//!
//! ```
//! # use std::sync::Mutex;
//! #[msgrpc::service]
//! pub trait Journal {
//!     #[msgrpc(notification)]
//!     async fn log(&self, line: &str);
//!     async fn last(&self) -> String;
//! }
//! # #[derive(Default)] struct Lines(Mutex<String>);
//! # impl Journal for Lines {
//! #     async fn log(&self, line: &str) { *self.0.lock().unwrap() = line.to_owned(); }
//! #     async fn last(&self) -> String { self.0.lock().unwrap().clone() }
//! # }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = msgrpc::Server::new(JournalService::new(Lines::default()));
//! # tokio::spawn(server.listen("memory://journal").bind().await?.run());
//! # let journal = JournalClient::connect("memory://journal").await?;
//! journal.log("one").await?;
//! journal.log("two").await?;
//! assert_eq!(journal.last().await?, "two");
//! # Ok(()) }
//! ```
//!
//! # Serving both ways
//!
//! Both ends of a connection may call and serve (W14). A client serves with [`ClientBuilder::serve`]; a method calls back
//! through [`Context::client`].
//!
//! ```
//! use msgrpc::{Client, Context, Server};
//!
//! #[msgrpc::service]
//! pub trait Build {
//!     async fn build(&self, ctx: &Context) -> u8;
//! }
//!
//! #[msgrpc::service]
//! pub trait Progress {
//!     async fn report(&self, percent: u8) -> u8;
//! }
//!
//! struct Builder;
//!
//! impl Build for Builder {
//!     async fn build(&self, ctx: &Context) -> u8 {
//!         ProgressClient::new(ctx.client()).report(50).await.unwrap_or(0)
//!     }
//! }
//!
//! struct Bar;
//!
//! impl Progress for Bar {
//!     async fn report(&self, percent: u8) -> u8 {
//!         percent
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new(BuildService::new(Builder)).listen("memory://build").bind().await?;
//! tokio::spawn(server.run());
//! let client = Client::builder("memory://build").serve(ProgressService::new(Bar)).connect().await?;
//! assert_eq!(BuildClient::new(client).build().await?, 50);
//! # Ok(()) }
//! ```
//!
//! # Calls without types
//!
//! [`Client::call`] and [`Client::notify`] take a name and anything that encodes as an array; the result is of any type
//! that decodes, [`Value`] among them. Errors of the method are [`CallError::Remote`]. On the other side, a [`Service`]
//! written by hand answers methods of any name; its page has an example.
//!
//! ```
//! # #[msgrpc::service] pub trait Adder { async fn add(&self, a: i64, b: i64) -> i64; }
//! # struct Calc; impl Adder for Calc { async fn add(&self, a: i64, b: i64) -> i64 { a + b } }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = msgrpc::Server::new(AdderService::new(Calc)).listen("memory://adder").bind().await?;
//! # tokio::spawn(server.run());
//! use msgrpc::{CallError, Client, FaultCode, Value};
//!
//! let client = Client::connect("memory://adder").await?;
//! let sum: i64 = client.call("add", (40, 2)).await?;
//! let value: Value = client.call("add", vec![1, 2]).await?;
//! assert_eq!((sum, value), (42, Value::from(3)));
//! match client.call::<Value>("subtract", (40, 2)).await {
//!     Err(CallError::Fault(fault)) => assert_eq!(fault.code(), FaultCode::UnknownMethod),
//!     other => panic!("{other:?}"),
//! }
//! # Ok(()) }
//! ```
//!
//! # Peers of other implementations
//!
//! The wire is the open one, and what is written is what all known peers read. What they write is read: integers as
//! floats (JavaScript), bytes as text (old peers have one type), structs as arrays, names as bytes. `Vec<u8>` and `&[u8]`
//! take either; a [`Value`] keeps what came.
//!
//! A method's own error travels as it serializes, and some peers are strict there: a text that is not empty is read rightly
//! by all. Neovim as the caller shows a text, or a pair of a number and a text:
//!
//! ```
//! #[msgrpc::service]
//! pub trait Plugin {
//!     async fn open(&self, path: String) -> Result<(), (u8, String)>;
//! }
//!
//! # struct Editor;
//! impl Plugin for Editor {
//!     async fn open(&self, path: String) -> Result<(), (u8, String)> {
//!         Err((0, format!("{path} is not there")))
//!     }
//! }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = msgrpc::Server::new(PluginService::new(Editor)).listen("memory://plugin").bind().await?;
//! # tokio::spawn(server.run());
//! # let client = msgrpc::Client::connect("memory://plugin").await?;
//! // Errors of others are shown as a person wants them.
//! let error = client.call::<()>("open", ("x",)).await.unwrap_err();
//! assert_eq!(error.to_string(), "the peer answered with an error: x is not there");
//! # Ok(()) }
//! ```
//!
//! A server that breaks on a second request before the first is answered is called with
//! [`max_in_flight(1)`](ClientBuilder::max_in_flight). Those who come from txmsgpackrpc find each of its calls beside ours
//! in `docs/FROM_TXMSGPACKRPC.md`.
//!
//! # Pools and several servers
//!
//! A [`Pool`] is several connections to one server, a [`Balance`] is one server out of several for each call. Both are
//! callers: a generated client wraps them as it wraps a [`Client`].
//!
//! ```
//! # #[msgrpc::service] pub trait Adder { async fn add(&self, a: i64, b: i64) -> i64; }
//! # struct Calc; impl Adder for Calc { async fn add(&self, a: i64, b: i64) -> i64 { a + b } }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # for address in ["memory://spread-a", "memory://spread-b"] {
//! #     tokio::spawn(msgrpc::Server::new(AdderService::new(Calc)).listen(address).bind().await?.run());
//! # }
//! # let (here, there) = ("memory://spread-a", "memory://spread-b");
//! use msgrpc::{Client, Pool};
//!
//! // Eight connections, each for many calls; the least busy one is taken.
//! let adder = AdderClient::new(Pool::connect(here, 8).await?);
//! assert_eq!(adder.add(2, 3).await?, 5);
//!
//! // A connection for each call, of which four may be under way; the others wait.
//! let pool = Pool::builder(here).max_size(4).isolated(true).build().await?;
//! let adder = AdderClient::new(pool.clone());
//! assert_eq!(adder.add(2, 3).await?, 5);
//! assert_eq!(pool.status().to_string(), "size 4, open 4, in flight 0, waiting 0");
//!
//! // Two servers; the one that is down is passed over.
//! let adder = AdderClient::new(Client::balance([here, there]).await?);
//! assert_eq!(adder.add(2, 3).await?, 5);
//! # Ok(()) }
//! ```
//!
//! One connection carries as many calls as a server can run, so a pool is for servers that answer one call after another,
//! for several threads that would wait for one lock, and for large messages that would hold small ones up. Connections
//! that end are replaced in the background. A call of which nothing was sent goes to another connection by itself; one
//! that may have been executed does so only if it is [marked idempotent](Call::idempotent), once, and within
//! [a budget](PoolBuilder::retry_budget). While there is no connection calls wait, and then fail with
//! [`CallError::NotConnected`], which has the numbers and the reasons.
//!
//! The servers of a [`Balance`] may be a list, the addresses of a name ([`Dns`]), or whatever a [`Discover`] of your own
//! finds; they may come and go.
//!
//! # Datagrams
//!
//! `udp://host:port` is an address like others, for servers and for clients; what differs is the network. A message is one
//! datagram. It may be lost, doubled or overtaken, nothing proves who sent it, and nobody tells whether the other end lives.
//!
//! ```
//! # #[msgrpc::service] pub trait Lamp { #[msgrpc(idempotent)] async fn set(&self, on: bool) -> bool; }
//! # struct Bulb; impl Lamp for Bulb { async fn set(&self, on: bool) -> bool { on } }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use msgrpc::{DatagramOptions, Server};
//!
//! let server = Server::new(LampService::new(Bulb))
//!     .datagrams(DatagramOptions::default().dedup(true))
//!     .listen("udp://127.0.0.1:0")
//!     .bind()
//!     .await?;
//! let lamp = server.addresses()[0].to_string();
//! tokio::spawn(server.run());
//!
//! let lamp = LampClient::connect(&lamp).await?;
//! assert!(lamp.set(true).await?);
//! # Ok(()) }
//! ```
//!
//! - *Size.* A request over `max_datagram`, 8 192 bytes unless [set](ClientBuilder::max_datagram), is
//!   [`CallError::TooLarge`] before it is sent; a larger answer becomes a fault. Over about 1 400 bytes a datagram travels in
//!   pieces, and is lost with any of them.
//! - *Loss.* A call that is lost ends with its timeout, and [may have been executed](CallError::was_sent). Calls of methods
//!   that are `idempotent` are [sent again](Retransmit) meanwhile, with the same bytes.
//! - *Doubles.* Without [`dedup`](DatagramOptions::dedup) a server executes a request as often as it comes.
//! - *Order.* There is none, of calls or of notifications.
//! - *Nobody there* is [`CallError::Unreachable`], if the network says so, or silence. The client stays as it is.
//! - *Limits.* A client has 64 calls in flight unless [set](ClientBuilder::max_in_flight). A server works on 64 requests of
//!   one source address, and drops what is more: [`DatagramOptions`].
//! - *Strangers.* Sources can be forged to flood others with answers. Towards public addresses an answer is at most
//!   [three times](DatagramOptions::max_response_ratio) as long as its request.
//!
//! Most of what goes wrong is answered with silence and counted: [`BoundServer::datagram_counters`],
//! [`Client::datagram_counters`]. A client over datagrams serves nothing, and [`Context::client`] calls nobody.
//!
//! # Multicast
//!
//! Servers that listen on a `multicast://` address join its group, any number of them, also on one machine and port. A
//! [`Group`] asks all of them with one datagram and collects what they answer. It waits for [`GroupCall::wait`], 5 s by
//! default, as nobody knows how many there are; [`expect`](GroupCall::expect) ends it before, [`at_least`](GroupCall::at_least)
//! makes fewer an error, and [`stream`](GroupCall::stream) gives each reply as it comes. What one member answered is in its
//! [`Reply`]: a bad one is one `Err` among the others. [`GroupError`] is of the call as a whole, such as that nobody answered.
//!
//! ```
//! # #[msgrpc::service] pub trait Adder { async fn add(&self, a: i64, b: i64) -> i64; }
//! # struct Calc; impl Adder for Calc { async fn add(&self, a: i64, b: i64) -> i64 { a + b } }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use msgrpc::{Reply, Server};
//!
//! let address = "multicast://239.77.0.2:18991?interface=127.0.0.1";
//! for _ in 0..3 {
//!     let server = Server::new(AdderService::new(Calc)).listen(address).bind().await?;
//!     tokio::spawn(server.run());
//! }
//!
//! let everyone = AdderGroup::join(address).await?;
//! for Reply { from, elapsed, result } in everyone.add(2, 3).expect(3).await? {
//!     println!("{from} after {elapsed:?}: {}", result?);
//! }
//! // A client over a group takes the first answer.
//! let anyone = AdderClient::new(msgrpc::Group::join(address).await?);
//! assert_eq!(anyone.add(2, 3).await?, 5);
//! # Ok(()) }
//! ```
//!
//! Each server answers from a port of its own, so that [`Reply::from`] tells servers apart. Unknown methods are not
//! answered, since others of the group may have them. A notification runs once on every server that gets it. Datagrams may
//! be lost, doubled or forged: a request may be executed once, twice or never on each server, and nothing proves who
//! answered. The address takes `interface=`, by name or by address, which needs no route (`127.0.0.1` stays within the
//! machine); `ttl=`; and `loop=`.
//!
//! # Limits
//!
//! All that a peer could make large, deep, many or slow is bounded by a field of [`Limits`], with defaults for a server
//! that anybody may reach and for a client that chose its server. A message over a limit ends the connection as soon as
//! its head claims too much. A peer that sends more requests than are started, or does not take its answers, is no longer
//! read from; one that stops in the middle of a message is let go.
//!
//! ```
//! # #[msgrpc::service] pub trait Hello { async fn hello(&self) -> String; }
//! # struct Hi; impl Hello for Hi { async fn hello(&self) -> String { "hi".into() } }
//! use msgrpc::{Limits, Server};
//!
//! let mut limits = Limits::server();
//! limits.message_bytes = 64 << 20;
//! limits.requests_at_work = 64;
//! let server = Server::new(HelloService::new(Hi)).limits(limits);
//! ```
//!
//! The two ends must agree: what one may send, [`outbound_message_bytes`](Limits::outbound_message_bytes), the other must
//! accept, [`message_bytes`](Limits::message_bytes).
//!
//! # Addresses and transports
//!
//! `tcp://host:port`, [`tls://host:port`](#tls), `unix:///path`, `unix:@name`, `memory://name`, `udp://host:port` and
//! `multicast://group:port` are there. [`Peer::credentials`] tells who is at the other end of a Unix socket.
//! A transport of one's own is a [`Stream`](transport::Stream) made from anything that reads and writes: for
//! [`Client::over`]; from a [`Connect`](transport::Connect), which can open another one, for [`Client::builder_with`]; or
//! from a custom [`Listener`](transport::Listener) for [`Server::listener`]. [`in_process`] calls a service of the same
//! program without any connection.
//!
//! # TLS
//!
//! `tls://host:port` is TCP with TLS 1.2 or 1.3, by rustls. A server has a certificate and its key, in PEM; a client trusts
//! whom the system trusts, or a CA file, and asks for the host of the address. `FooClient::connect("tls://…")` needs no
//! settings where the server's certificate is a public one.
//!
//! With `client_ca` the server lets only clients in that show a certificate (mutual TLS), and [`Peer::subject`] and
//! [`Peer::certificates`] tell a method who calls. Since TLS 1.3 does not wait for the server's word on it, a client whose
//! certificate is rejected learns that at its first call: [`CloseReason::is_permanent`] is true then. Files that were
//! renewed are read by `reload`, for new connections; those that are open live on.
//!
#![cfg_attr(any(feature = "tls", feature = "tls-aws-lc"), doc = "```no_run")]
#![cfg_attr(not(any(feature = "tls", feature = "tls-aws-lc")), doc = "```ignore")]
//! use msgrpc::tls::{ClientTls, ServerTls};
//! use msgrpc::{Client, Context, Server};
//!
//! #[msgrpc::service]
//! pub trait Gate {
//!     async fn enter(&self, ctx: &Context) -> String;
//! }
//!
//! struct Keeper;
//!
//! impl Gate for Keeper {
//!     async fn enter(&self, ctx: &Context) -> String {
//!         format!("welcome, {}", ctx.peer().subject().unwrap_or("stranger"))
//!     }
//! }
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = ServerTls::builder("server.pem", "server.key").client_ca("clients.pem").load()?;
//! let server = Server::new(GateService::new(Keeper)).tls(tls.clone()).listen("tls://0.0.0.0:8443");
//! tokio::spawn(server.run());
//! // Whenever the files are new:
//! tls.reload()?;
//! # Ok(()) }
//!
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = ClientTls::builder().ca_file("ca.pem").certificate("robot.pem", "robot.key").load()?;
//! let client = Client::builder("tls://robots.example:8443").tls(tls).connect().await?;
//! println!("{}", GateClient::new(client).enter().await?);
//! # Ok(()) }
//! ```
//!
//! Handshakes hold nobody up: a listener has 256 at once ([`Server::handshakes`]), each has 10 s
//! ([`Server::handshake_timeout`]), and those whose clients are silent give way to those who wait. The example `tls` makes
//! its own certificates.
//!
//! # Features
//!
//! `tls` is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls` | `tls://` addresses and `msgrpc::tls`, with ring for cryptography |
//! | `tls-aws-lc` | the same with aws-lc, which is taken where both are on |
//! | `blocking` | `msgrpc::blocking::Client`, for programs without async: `calc.add(2, 3).wait()?` |
//! | `listenfd` | `Server::inherit`: sockets that systemd hands over |
//! | `testing` | `msgrpc::testing`: a `MockCaller` that answers by script, and `pair`, a client and server in memory |
//!
//! # Coming from tarpc
//!
//! A service moves over method by method:
//!
//! | | tarpc | msgrpc |
//! |---|---|---|
//! | trait | `#[tarpc::service] trait World { async fn hello(name: String) -> String; }` | `#[msgrpc::service] trait World { async fn hello(&self, name: String) -> String; }` |
//! | implementation | `impl World for Server { async fn hello(self, _: context::Context, name: String) -> String { … } }`, with `Server: Clone` | `impl World for Hello { async fn hello(&self, name: String) -> String { … } }`, no `Clone`: one value is shared |
//! | context | an argument of each method | `ctx: &Context`, first, in methods that want it |
//! | serving | `tcp::listen`, `BaseChannel::with_defaults`, `.execute(server.serve())`, and spawning | `Server::new(WorldService::new(Hello)).listen("tcp://…").run()` |
//! | connecting | `tcp::connect(…, Bincode::default)`, `WorldClient::new(config, transport).spawn()` | `WorldClient::connect("tcp://…")` |
//! | calling | `client.hello(context::current(), name).await?` | `client.hello(name).await?` |
//! | a method's error | `client.divide(ctx, 1, 0).await??`: a `Result` within a `Result` | `client.divide(1, 0).await?`: [`CallError::Method`] |
//! | deadline | `ctx.deadline`, sent to the server | `.timeout(…)` of the call, the caller's alone |
//! | dropping a call | the server is told and drops the request | the call is forgotten; the server goes on |
//! | the other direction | a second transport | the same connection: [`Context::client`] |
//! | one-way messages | none | `#[msgrpc(notification)]` |
//! | largest message | `max_frame_length` | [`Limits::message_bytes`] |
//! | wire | its own, of any serde format; tarpc on both ends | MessagePack-RPC, any peer |
//!
//! Side by side, tarpc:
//!
//! ```text
//! #[tarpc::service]
//! trait World {
//!     async fn hello(name: String) -> String;
//! }
//!
//! #[derive(Clone)]
//! struct Hello;
//!
//! impl World for Hello {
//!     async fn hello(self, _: context::Context, name: String) -> String {
//!         format!("Hello, {name}!")
//!     }
//! }
//!
//! let mut incoming = tcp::listen("127.0.0.1:8000", Bincode::default).await?;
//! while let Some(transport) = incoming.next().await {
//!     let requests = BaseChannel::with_defaults(transport?).execute(Hello.serve());
//!     tokio::spawn(requests.for_each(|request| async { tokio::spawn(request); }));
//! }
//!
//! let transport = tcp::connect("127.0.0.1:8000", Bincode::default).await?;
//! let client = WorldClient::new(client::Config::default(), transport).spawn();
//! let hello = client.hello(context::current(), "you".to_owned()).await?;
//! ```
//!
//! and msgrpc:
//!
//! ```no_run
//! #[msgrpc::service]
//! trait World {
//!     async fn hello(&self, name: String) -> String;
//! }
//!
//! struct Hello;
//!
//! impl World for Hello {
//!     async fn hello(&self, name: String) -> String {
//!         format!("Hello, {name}!")
//!     }
//! }
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! msgrpc::Server::new(WorldService::new(Hello)).listen("tcp://127.0.0.1:8000").run().await?;
//! # Ok(()) }
//!
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! let client = WorldClient::connect("tcp://127.0.0.1:8000").await?;
//! let hello = client.hello("you".to_owned()).await?;
//! # Ok(()) }
//! ```

mod accept;
mod arguments;
mod balance;
mod budget;
mod call;
mod caller;
mod client;
mod connection;
mod context;
mod datagram;
mod descriptor;
mod error;
mod falsy;
mod group;
mod in_process;
#[cfg(feature = "listenfd")]
mod inherit;
mod method_timeouts;
mod pool;
mod router;
mod running;
mod server;
mod service;
mod shutdown;
mod stub;
mod travel;

#[cfg(feature = "blocking")]
pub mod blocking;
pub mod signal;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use msgrpc_core::datagram::DatagramError;
pub use msgrpc_core::scan::ScanError;
pub use msgrpc_core::value::{DecodeError, EncodeError, Style, Value, from_value, to_value};
pub use msgrpc_core::{
    Fault, FaultCode, FaultFormat, Greeting, Limits, MsgId, Payload, ProtocolError,
};
pub use msgrpc_derive::service;
pub use msgrpc_transport as transport;
#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
pub use msgrpc_transport::tls;
pub use msgrpc_transport::{Address, KeepAlive, Peer};

pub use balance::{
    Balance, BalanceBuilder, BalanceExchange, BalancePosting, BuildBalanceError, Discover,
    DiscoverError, Dns, Endpoint, ServerStatus,
};
pub use call::{Call, Notify};
pub use caller::{Answer, Caller, Outgoing, Timeout};
pub use client::{
    Client, ClientBuilder, ConnectError, ConnectionState, ConnectionStates, Exchange, Posting,
    Reconnect,
};
pub use context::Context;
pub use datagram::{DatagramCounters, DatagramOptions, DatagramStats, Retransmit};
pub use descriptor::{MethodDescriptor, ParamDescriptor, ServiceDescriptor};
pub use error::{
    CallError, CloseReason, Closed, DecodeFailed, EncodeFailed, NoError, NoMessage, NotConnected,
    TimedOut, TooLarge, Unreachable,
};
pub use group::{
    FirstReply, Group, GroupBuilder, GroupCall, GroupCounts, GroupError, GroupPosting, NoReplies,
    Replies, Reply, SubnetError, TooFew,
};
pub use in_process::{InProcess, in_process};
pub use pool::{BuildPoolError, Pool, PoolBuilder, PoolExchange, PoolPosting, PoolStatus};
pub use server::{BoundServer, ServeError, Server};
pub use service::{Outcome, OutcomeFuture, Request, Service};
pub use shutdown::{ServerHandle, Stopped};
