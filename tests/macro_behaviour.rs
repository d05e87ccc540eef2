//! Every key of the macro, served and called: what the peers of a generated service see.
//!
//! Services run over `memory://`, each test at an address of its own.

use std::borrow::Cow;
use std::fmt::Debug;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use msgrpc::{
    BoundServer, CallError, Client, Context, OutcomeFuture, Request, Server, Service,
    ServiceDescriptor, Value,
};
use serde::{Deserialize, Serialize};

/// An alias that only types can see through.
type Maybe<T> = Option<T>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Refusal {
    Negative(i32),
}

/// Does one of everything.
///
/// In two paragraphs.
#[msgrpc::service(namespace = "every", separator = "/", allow_extra_args)]
trait Everything: Debug {
    /// Doubles.
    async fn double(&self, n: i32) -> Result<i32, Refusal>;
    #[msgrpc(name = "Renamed")]
    async fn plain(&self) -> String;
    async fn optional(&self, a: u8, b: Maybe<u8>, c: Option<&str>) -> String;
    #[msgrpc(nil)]
    async fn fixed(&self, a: u8, b: Option<u8>) -> u8;
    #[msgrpc(blocking)]
    fn on_a_thread(&self, ctx: &Context, data: &[u8]) -> (String, u64);
    #[msgrpc(spawn)]
    async fn on_a_task(&self, text: Cow<'_, str>) -> bool;
    #[msgrpc(notification)]
    async fn note(&self, line: &str);
    async fn notes(&self) -> Vec<String>;
    /// Has a body.
    async fn sum(&self, points: &[Point], more: Option<&Point>) -> Point {
        let add = |a: Point, b: &Point| Point { x: a.x + b.x, y: a.y + b.y };
        points.iter().chain(more).fold(Point { x: 0, y: 0 }, add)
    }
    #[deprecated(note = "double it")]
    async fn old(&self) {}
    #[cfg(target_os = "none")]
    async fn chosen(&self, a: Missing);
    #[cfg(not(target_os = "none"))]
    async fn chosen(&self) -> u8 {
        7
    }
    #[msgrpc(skip)]
    fn local<T: Debug>(&self, value: T) -> String
    where
        Self: Sized,
    {
        format!("{self:?} {value:?}")
    }
}

#[derive(Debug, Default)]
struct Everyone {
    notes: Mutex<Vec<String>>,
}

impl Everything for Everyone {
    async fn double(&self, n: i32) -> Result<i32, Refusal> {
        if n < 0 { Err(Refusal::Negative(n)) } else { Ok(2 * n) }
    }

    async fn plain(&self) -> String {
        "plain".to_owned()
    }

    async fn optional(&self, a: u8, b: Maybe<u8>, c: Option<&str>) -> String {
        format!("{a} {b:?} {c:?}")
    }

    async fn fixed(&self, a: u8, b: Option<u8>) -> u8 {
        a + b.unwrap_or_default()
    }

    fn on_a_thread(&self, ctx: &Context, data: &[u8]) -> (String, u64) {
        (ctx.peer().to_string(), data.iter().copied().map(u64::from).sum())
    }

    async fn on_a_task(&self, text: Cow<'_, str>) -> bool {
        matches!(text, Cow::Borrowed("borrowed"))
    }

    async fn note(&self, line: &str) {
        self.notes.lock().expect("no test panicked").push(line.to_owned());
    }

    async fn notes(&self) -> Vec<String> {
        self.notes.lock().expect("no test panicked").clone()
    }
}

/// Serves at an address of its own; the task ends with the runtime.
async fn served(service: impl Service, name: &str) -> String {
    let address = format!("memory://{name}");
    let server: BoundServer =
        Server::new(service).listen(&*address).bind().await.expect("it is free");
    tokio::spawn(server.run());
    address
}

async fn everything(name: &str) -> (EverythingClient, Client) {
    let address = served(EverythingService::new(Everyone::default()), name).await;
    let client = Client::connect(&address).await.expect("it listens");
    (EverythingClient::new(client.clone()), client)
}

#[tokio::test]
async fn methods_of_every_kind_are_called() {
    let (typed, _) = everything("every-kind").await;
    assert_eq!(typed.double(21).await.unwrap(), 42);
    let error = typed.double(-1).await.unwrap_err();
    assert!(matches!(error, CallError::Method(Refusal::Negative(-1))), "{error:?}");
    assert_eq!(typed.plain().await.unwrap(), "plain");
    assert_eq!(typed.on_a_thread(&[1, 2, 255]).await.unwrap(), ("memory".to_owned(), 258));
    assert!(typed.on_a_task("borrowed".into()).await.unwrap());
    typed.note("one").await.unwrap();
    typed.note("two").await.unwrap();
    assert_eq!(typed.notes().await.unwrap(), ["one", "two"]);
    let one = Point { x: 1, y: 2 };
    assert_eq!(
        typed.sum(&[one.clone(), one.clone()], Some(&one)).await.unwrap(),
        Point { x: 3, y: 6 }
    );
    assert_eq!(typed.sum(&[], None).await.unwrap(), Point { x: 0, y: 0 });
    #[expect(deprecated, reason = "the client's method carries it over")]
    typed.old().await.unwrap();
    assert_eq!(typed.chosen().await.unwrap(), 7);
    assert!(Everyone::default().local(1).ends_with(" 1"));
}

#[tokio::test]
async fn names_on_the_wire_have_the_namespace() {
    let (_, raw) = everything("namespace").await;
    assert_eq!(raw.call::<i32>("every/double", (4,)).await.unwrap(), 8);
    assert_eq!(raw.call::<String>("every/Renamed", ()).await.unwrap(), "plain");
    for missing in ["double", "every.double", "every/plain", "every/local", "every/on_a_threa"] {
        let error = raw.call::<Value>(missing, ()).await.unwrap_err();
        assert!(matches!(error, CallError::Fault(_)), "{missing}: {error}");
    }
}

#[tokio::test]
async fn an_alias_of_option_may_be_missing() {
    let (typed, raw) = everything("alias").await;
    assert_eq!(typed.optional(1, None, None).await.unwrap(), "1 None None");
    assert_eq!(typed.optional(1, None, Some("c")).await.unwrap(), "1 None Some(\"c\")");
    assert_eq!(raw.call::<String>("every/optional", (1,)).await.unwrap(), "1 None None");
    assert_eq!(raw.call::<String>("every/optional", (1, 2)).await.unwrap(), "1 Some(2) None");
    let error = raw.call::<String>("every/optional", ()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(
            "method `every/optional` takes 1 to 3 parameters (a: u8, b: Maybe<u8>, c: Option<&str>), got 0"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn extra_arguments_are_ignored_where_that_is_allowed() {
    let (_, raw) = everything("extra").await;
    assert_eq!(raw.call::<i32>("every/double", (4, "more", 1.5)).await.unwrap(), 8);
}

#[tokio::test]
async fn an_argument_of_another_type_is_named() {
    let (_, raw) = everything("types").await;
    let text = raw.call::<i32>("every/double", ("four",)).await.unwrap_err().to_string();
    assert!(text.contains("parameter 1 `n` of `every/double`"), "{text}");
}

#[test]
fn the_descriptor_says_what_the_trait_says() {
    assert_eq!(EVERYTHING.name(), "Everything");
    assert_eq!(EVERYTHING.documentation(), "Does one of everything.\n\nIn two paragraphs.");
    let names: Vec<_> = EVERYTHING.methods().iter().map(msgrpc::MethodDescriptor::name).collect();
    let expected =
        "double Renamed optional fixed on_a_thread on_a_task note notes sum old chosen".split(' ');
    assert_eq!(names, expected.map(|name| format!("every/{name}")).collect::<Vec<_>>());
    let method = |name| {
        let mut methods = EVERYTHING.methods().iter();
        methods.find(|method| method.rust_name() == name).unwrap()
    };
    let double = method("double");
    assert_eq!(double.documentation(), "Doubles.");
    assert_eq!((double.result(), double.error()), ("i32", Some("Refusal")));
    let params = |name| {
        let params = method(name).params().iter();
        params.map(|param| (param.name(), param.ty(), param.is_optional())).collect::<Vec<_>>()
    };
    assert_eq!(params("double"), [("n", "i32", false)]);
    assert_eq!(
        params("optional"),
        [("a", "u8", false), ("b", "Maybe<u8>", true), ("c", "Option<&str>", true)]
    );
    assert_eq!(params("on_a_thread"), [("data", "&[u8]", false)]);
    assert_eq!(params("sum"), [("points", "&[Point]", false), ("more", "Option<&Point>", true)]);
    assert_eq!(method("optional").required(), 1);
    assert!(method("fixed").sends_nil() && !method("optional").sends_nil());
    assert!(method("on_a_thread").is_blocking() && !double.is_blocking());
    assert!(method("note").is_notification() && !double.is_notification());
    assert!(double.allows_extra_args());
    assert_eq!(method("old").deprecation(), Some("double it"));
    assert_eq!(double.deprecation(), None);
}

#[tokio::test]
async fn a_service_of_an_arc_shares_it() {
    let shared = Arc::new(Everyone::default());
    let service = EverythingService::from_arc(Arc::clone(&shared));
    let address = served(service.clone(), "arc").await;
    drop(service);
    let client = EverythingClient::connect(&address).await.unwrap();
    client.note("heard").await.unwrap();
    assert_eq!(client.notes().await.unwrap(), ["heard"]);
    assert_eq!(*shared.notes.lock().unwrap(), ["heard"]);
}

/// Notes what a service is asked.
struct Recorded<S> {
    service: S,
    seen: Arc<Mutex<Vec<Params>>>,
}

/// The params of one request: where they are, and their bytes.
struct Params {
    place: Range<usize>,
    bytes: Vec<u8>,
}

impl<S: Service> Service for Recorded<S> {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.service.descriptor()
    }

    fn call(&self, request: Request) -> OutcomeFuture {
        let bytes = request.params();
        let params = Params { place: place(bytes), bytes: bytes.to_vec() };
        self.seen.lock().expect("no test panicked").push(params);
        self.service.call(request)
    }
}

#[tokio::test]
async fn a_missing_option_is_left_out_unless_nil_is_asked_for() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service =
        Recorded { service: EverythingService::new(Everyone::default()), seen: Arc::clone(&seen) };
    let address = served(service, "nil").await;
    let typed = EverythingClient::connect(&address).await.unwrap();
    typed.optional(1, None, None).await.unwrap();
    typed.optional(1, None, Some("c")).await.unwrap();
    typed.fixed(1, None).await.unwrap();
    typed.sum(&[Point { x: 1, y: 2 }], None).await.unwrap();
    let seen: Vec<_> = seen.lock().unwrap().iter().map(|params| params.bytes.clone()).collect();
    let expected: [&[u8]; 4] = [
        &[0x91, 1],
        &[0x93, 1, 0xc0, 0xa1, b'c'],
        &[0x92, 1, 0xc0],
        &[0x91, 0x91, 0x82, 0xa1, b'x', 1, 0xa1, b'y', 2],
    ];
    assert_eq!(seen, expected);
}

#[msgrpc::service(compact)]
trait Compact {
    async fn swap(&self, point: &Point) -> Point;
}

struct Swap;

impl Compact for Swap {
    async fn swap(&self, point: &Point) -> Point {
        Point { x: point.y, y: point.x }
    }
}

#[tokio::test]
async fn compact_structs_travel_as_arrays() {
    let address = served(CompactService::new(Swap), "compact").await;
    let raw = Client::connect(&address).await.unwrap();
    assert_eq!(raw.call::<(i32, i32)>("swap", ((1, 2),)).await.unwrap(), (2, 1));
    let point = CompactClient::new(raw.clone()).swap(&Point { x: 3, y: 4 }).await.unwrap();
    assert_eq!(point, Point { x: 4, y: 3 });
    let error = raw.call::<Value>("swap", ((1, 2), 3)).await.unwrap_err();
    assert!(error.to_string().contains("takes 1 parameter (point: &Point), got 2"), "{error}");
}

#[derive(Serialize, Deserialize)]
struct Named<'a> {
    name: &'a str,
    #[serde(with = "bin")]
    data: &'a [u8],
}

/// Bytes of a struct, as serde's own `&[u8]` reads them; written as bin.
mod bin {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<&'de [u8], D::Error> {
        <&[u8]>::deserialize(d)
    }
}

#[msgrpc::service]
trait Borrowing {
    async fn bytes(&self, data: &[u8]) -> Range<usize>;
    async fn text(&self, text: &str, cow: Cow<'_, str>) -> Vec<Range<usize>>;
    async fn named(&self, named: Named<'_>, optional: Option<&[u8]>) -> Vec<Range<usize>>;
    #[msgrpc(blocking)]
    fn blocking(&self, data: &[u8]) -> Range<usize>;
    #[msgrpc(spawn)]
    async fn spawned(&self, data: Cow<'_, [u8]>) -> Range<usize>;
}

struct Places;

fn place(bytes: &[u8]) -> Range<usize> {
    let first = bytes.as_ptr().addr();
    first..first + bytes.len()
}

impl Borrowing for Places {
    async fn bytes(&self, data: &[u8]) -> Range<usize> {
        tokio::task::yield_now().await;
        place(data)
    }

    async fn text(&self, text: &str, cow: Cow<'_, str>) -> Vec<Range<usize>> {
        vec![place(text.as_bytes()), place(cow.as_bytes())]
    }

    async fn named(&self, named: Named<'_>, optional: Option<&[u8]>) -> Vec<Range<usize>> {
        vec![place(named.name.as_bytes()), place(named.data), place(optional.unwrap_or_default())]
    }

    fn blocking(&self, data: &[u8]) -> Range<usize> {
        place(data)
    }

    async fn spawned(&self, data: Cow<'_, [u8]>) -> Range<usize> {
        place(&data)
    }
}

/// The argument lies in the request that the service was given: nothing was copied on the way to the method.
#[tokio::test]
async fn borrowed_arguments_lie_in_the_request() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service = Recorded { service: BorrowingService::new(Places), seen: Arc::clone(&seen) };
    let address = served(service, "borrowing").await;
    let client = BorrowingClient::connect(&address).await.unwrap();
    let data = vec![7; 64 << 10];
    let text = "long ".repeat(8 << 10);

    let lie_in_the_request = async |places: Vec<Range<usize>>, least: usize| {
        let request = seen.lock().unwrap().pop().unwrap().place;
        for place in places {
            assert!(place.len() >= least, "{place:?}");
            assert!(request.start <= place.start && place.end <= request.end, "{place:?}");
        }
    };
    lie_in_the_request(vec![client.bytes(&data).await.unwrap()], 64 << 10).await;
    lie_in_the_request(client.text(&text, (&*text).into()).await.unwrap(), 40 << 10).await;
    let named = Named { name: &text, data: &data };
    lie_in_the_request(client.named(named, Some(&data)).await.unwrap(), 40 << 10).await;
    lie_in_the_request(vec![client.blocking(&data).await.unwrap()], 64 << 10).await;
    lie_in_the_request(vec![client.spawned((&*data).into()).await.unwrap()], 64 << 10).await;
}

#[test]
fn calls_are_futures_that_can_go_anywhere() {
    fn can_be_spawned(_: impl Future + Send + 'static) {}
    let _ = |client: &EverythingClient| {
        can_be_spawned(client.double(1));
        can_be_spawned(client.note("line"));
        can_be_spawned(EverythingClient::connect("memory://nobody"));
    };
}

/// The crate's own type, and one that only has its name.
mod octets {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Bytes(pub(crate) String);
}

#[msgrpc::service]
trait Octets {
    async fn twice(&self, data: bytes::Bytes) -> Result<bytes::Bytes, Refusal>;
    /// How far apart the two lie.
    async fn distance(&self, first: bytes::Bytes, second: bytes::Bytes) -> usize;
    async fn namesake(&self, data: octets::Bytes) -> octets::Bytes;
}

struct Doubling;

impl Octets for Doubling {
    async fn twice(&self, data: bytes::Bytes) -> Result<bytes::Bytes, Refusal> {
        Ok([&data[..], &data[..]].concat().into())
    }

    async fn distance(&self, first: bytes::Bytes, second: bytes::Bytes) -> usize {
        second.as_ptr().addr().abs_diff(first.as_ptr().addr())
    }

    async fn namesake(&self, data: octets::Bytes) -> octets::Bytes {
        data
    }
}

#[tokio::test]
async fn shared_bytes_of_every_size_arrive_and_large_ones_lie_in_the_request() {
    let address = served(OctetsService::new(Doubling), "octets").await;
    let octets = OctetsClient::connect(&address).await.unwrap();
    for size in [0, 1, 31, 300, 16_383, 16_384, 70_000, 1 << 20] {
        let data: bytes::Bytes = (0..=250_u8).cycle().take(size).collect();
        let twice = octets.twice(data.clone()).await.unwrap();
        assert_eq!(twice, [&data[..], &data[..]].concat());
    }
    let large = bytes::Bytes::from(vec![7; 70_000]);
    let bin32_head = 5;
    assert_eq!(octets.distance(large.clone(), large).await.unwrap(), 70_000 + bin32_head);
    let namesake = octets.namesake(octets::Bytes("text".into())).await.unwrap();
    assert_eq!(namesake, octets::Bytes("text".into()));

    let untyped = Client::connect(&address).await.unwrap();
    let twice: Value = untyped.call("twice", ("text for bytes",)).await.unwrap();
    assert_eq!(twice.as_bytes(), Some(&b"text for bytestext for bytes"[..]));
    let error = untyped.call::<Value>("twice", (1,)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "[-32602] parameter 1 `data` of `twice`: invalid type: integer `1`, expected a borrowed byte array"
    );
}
