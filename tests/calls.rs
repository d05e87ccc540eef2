//! Calls of every kind, typed and untyped: arguments, results, many at once, in both directions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{join_all, try_join_all};
use msgrpc::{CallError, Client, Context, Limits, NoError, Server, Value};
use serde::{Deserialize, Serialize};
use support::{Bench, DivideByZero, LabClient, LabService, Running, Script, lab, response, value};
use tokio::sync::Notify;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    name: String,
    lines: Vec<Line>,
    tags: BTreeMap<String, Option<u8>>,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    count: u32,
    price: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Box(f64, f64),
    Named { sides: u8, data: Vec<u8> },
}

#[msgrpc::service]
trait Kinds {
    async fn greet(&self, name: &str, greeting: Option<String>) -> String;
    async fn is_borrowed(&self, text: Cow<'_, str>) -> bool;
    async fn same_bytes(&self, data: &[u8]) -> Vec<u8>;
    async fn owned_bytes(&self, data: Vec<u8>) -> Vec<u8>;
    async fn order(&self, order: Order) -> Order;
    async fn shape(&self, shape: &Shape) -> Shape;
    async fn same(&self, number: u64) -> u64;
    async fn least(&self, number: i64) -> i64;
    async fn small(&self, number: i8) -> i8;
    async fn half(&self, number: f64) -> f64;
    async fn sum(&self, numbers: &[i64]) -> i64;
    async fn nothing(&self);
    async fn maybe(&self, number: Option<u8>) -> Option<u8>;
    async fn two_options(&self, a: Option<u8>, b: Option<u8>) -> (Option<u8>, Option<u8>);
    #[msgrpc(nil)]
    async fn with_nil(&self, number: Option<u8>) -> Option<u8>;
    #[msgrpc(blocking)]
    fn on_a_thread(&self, data: &[u8]) -> (bool, usize);
    #[msgrpc(spawn)]
    async fn on_a_task(&self, number: u64) -> u64;
    #[msgrpc(name = "type")]
    async fn kind(&self) -> String;
    async fn where_am_i(&self, ctx: &Context, more: u8) -> (String, String, u8);
}

struct All;

impl Kinds for All {
    async fn greet(&self, name: &str, greeting: Option<String>) -> String {
        format!("{}, {name}", greeting.as_deref().unwrap_or("hello"))
    }
    async fn is_borrowed(&self, text: Cow<'_, str>) -> bool {
        matches!(text, Cow::Borrowed("borrowed"))
    }
    async fn same_bytes(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }
    async fn owned_bytes(&self, data: Vec<u8>) -> Vec<u8> {
        data
    }
    async fn order(&self, order: Order) -> Order {
        order
    }
    async fn shape(&self, shape: &Shape) -> Shape {
        shape.clone()
    }
    async fn same(&self, number: u64) -> u64 {
        number
    }
    async fn least(&self, number: i64) -> i64 {
        number
    }
    async fn small(&self, number: i8) -> i8 {
        number
    }
    async fn half(&self, number: f64) -> f64 {
        number / 2.0
    }
    async fn sum(&self, numbers: &[i64]) -> i64 {
        numbers.iter().sum()
    }
    async fn nothing(&self) {}
    async fn maybe(&self, number: Option<u8>) -> Option<u8> {
        number
    }
    async fn two_options(&self, a: Option<u8>, b: Option<u8>) -> (Option<u8>, Option<u8>) {
        (a, b)
    }
    async fn with_nil(&self, number: Option<u8>) -> Option<u8> {
        number
    }
    fn on_a_thread(&self, data: &[u8]) -> (bool, usize) {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        (name.contains("worker") || name.contains("blocking"), data.len())
    }
    async fn on_a_task(&self, number: u64) -> u64 {
        number
    }
    async fn kind(&self) -> String {
        "kind".to_owned()
    }
    async fn where_am_i(&self, ctx: &Context, more: u8) -> (String, String, u8) {
        (ctx.peer().to_string(), ctx.local().to_string(), more)
    }
}

async fn kinds() -> (Running, KindsClient) {
    let server = Running::start(Server::new(KindsService::new(All))).await;
    let client = KindsClient::connect(&server.address).await.unwrap();
    (server, client)
}

#[tokio::test]
async fn texts_and_bytes_may_be_borrowed_from_the_message() {
    let (_server, kinds) = kinds().await;
    assert_eq!(kinds.greet("you", None).await.unwrap(), "hello, you");
    assert!(kinds.is_borrowed("borrowed".into()).await.unwrap());
    for data in [&b""[..], b"\0", b"abc", &[0xc1; 300], &vec![7; 70_000]] {
        assert_eq!(kinds.same_bytes(data).await.unwrap(), data);
        assert_eq!(kinds.owned_bytes(data.to_vec()).await.unwrap(), data);
    }
    let long = "ü".repeat(40_000);
    assert_eq!(kinds.greet(&long, Some("hi".into())).await.unwrap(), format!("hi, {long}"));
    assert_eq!(kinds.sum(&[1, -2, 30]).await.unwrap(), 29);
    assert_eq!(kinds.sum(&[]).await.unwrap(), 0);
}

#[tokio::test]
async fn optional_arguments_are_missing_none_or_some() {
    let (server, kinds) = kinds().await;
    assert_eq!(kinds.maybe(None).await.unwrap(), None);
    assert_eq!(kinds.maybe(Some(0)).await.unwrap(), Some(0));
    assert_eq!(kinds.with_nil(None).await.unwrap(), None);
    assert_eq!(kinds.two_options(None, Some(2)).await.unwrap(), (None, Some(2)));
    assert_eq!(kinds.two_options(Some(1), None).await.unwrap(), (Some(1), None));
    let client = server.client().await;
    let table = [(value(()), None), (value([(); 1]), None), (value([9]), Some(9))];
    for (params, expected) in table {
        let found: Option<u8> = client.call("maybe", &params).await.unwrap();
        assert_eq!(found, expected, "{params}");
    }
}

#[tokio::test]
async fn none_at_the_end_is_left_out_or_nil_as_the_method_says() {
    let (client, mut wire) = Script::client().await;
    let kinds = KindsClient::new(client);
    let calls = async {
        kinds.maybe(None).await.unwrap();
        kinds.two_options(None, None).await.unwrap();
        kinds.two_options(None, Some(1)).await.unwrap();
        kinds.with_nil(None).await.unwrap();
        kinds.nothing().await.unwrap();
    };
    let none: [u8; 0] = [];
    let table = [
        ("maybe", value(none), value(())),
        ("two_options", value(none), value(((), ()))),
        ("two_options", value(((), 1)), value(((), 1))),
        ("with_nil", value([(); 1]), value(())),
        ("nothing", value(none), value(())),
    ];
    let script = async {
        for (msgid, (method, params, result)) in (0..).zip(table) {
            assert_eq!(wire.message().await, value((0, msgid, method, params)));
            wire.send(response(msgid, result)).await;
        }
    };
    tokio::join!(calls, script);
}

#[tokio::test]
async fn structs_and_enums_come_back_as_they_went() {
    let (_server, kinds) = kinds().await;
    let shapes = [
        Shape::Point,
        Shape::Circle(1.5),
        Shape::Box(-0.0, f64::INFINITY),
        Shape::Named { sides: 255, data: vec![] },
    ];
    for shape in &shapes {
        assert_eq!(kinds.shape(shape).await.unwrap(), *shape);
        let order = Order {
            name: String::new(),
            lines: vec![Line { count: u32::MAX, price: 0.1 }; 20],
            tags: [("a".to_owned(), None), ("b".to_owned(), Some(1))].into(),
            shape: shape.clone(),
        };
        assert_eq!(kinds.order(order.clone()).await.unwrap(), order);
    }
}

#[tokio::test]
async fn numbers_are_whole_at_their_bounds() {
    let (server, kinds) = kinds().await;
    for number in [0, 127, 128, 1 << 32, i64::MAX as u64, u64::MAX] {
        assert_eq!(kinds.same(number).await.unwrap(), number);
    }
    for number in [i64::MIN, -129, -33, -32, -1, i64::MAX] {
        assert_eq!(kinds.least(number).await.unwrap(), number);
    }
    // A float of integral value for an integer, an integer for a float (W6).
    let client = server.client().await;
    let same: u64 = client.call("same", (3.0_f64,)).await.unwrap();
    let small: i8 = client.call("small", (-128.0_f64,)).await.unwrap();
    let half: f64 = client.call("half", (3,)).await.unwrap();
    assert_eq!((same, small, half.to_bits()), (3, -128, 1.5_f64.to_bits()));
    let integral: u64 = client.call("half", (4,)).await.unwrap();
    assert_eq!(integral, 2, "a result of 2.0 is read as an integer");
    assert!(client.call::<u64>("same", (0.5,)).await.is_err());
    assert!(client.call::<i8>("small", (128,)).await.is_err());
}

#[tokio::test]
async fn calls_without_types_take_tuples_lists_and_values() {
    let (server, _) = lab().await;
    let client = server.client().await;
    let sum: i64 = client.call("add", (40, 2)).await.unwrap();
    let value_of_sum: Value = client.call("add", vec![1, 2]).await.unwrap();
    let of_bytes: i64 = client.call("add", (1_u8, 2_u8)).await.unwrap();
    let of_values: i64 = client.call("add", [Value::from(3), Value::from(4)]).await.unwrap();
    assert_eq!((sum, value_of_sum, of_bytes, of_values), (42, Value::from(3), 3, 7));
    let notes: Vec<i64> = client.call("notes", ()).await.unwrap();
    client.notify("note", (5,)).await.unwrap();
    let later: Vec<i64> = client.call("notes", ()).await.unwrap();
    assert_eq!((notes, later), (vec![], vec![5]));
    let error = client.call::<Value>("add", 1).await.unwrap_err();
    assert!(matches!(error, CallError::Encode(_)), "{error}");
}

#[tokio::test]
async fn any_value_is_echoed_as_it_was_sent() {
    let (server, _) = lab().await;
    let lab = LabClient::new(server.client().await);
    let values = [
        Value::Nil,
        Value::Bool(false),
        Value::Int(-1),
        Value::UInt(u64::MAX),
        Value::F32(0.5),
        Value::F64(f64::MIN),
        Value::String("text".into()),
        Value::RawString(vec![0xff, 0xfe]),
        Value::Binary(vec![]),
        Value::Array(vec![]),
        Value::Map(vec![(Value::Nil, Value::Map(vec![])), (Value::Nil, Value::Int(1))]),
        Value::Ext(-1, vec![0; 4]),
        Value::Ext(5, vec![]),
    ];
    for value in values {
        assert_eq!(lab.echo(value.clone()).await.unwrap(), value);
    }
}

#[tokio::test]
async fn a_method_learns_who_called_it_and_where() {
    let server = Server::new(KindsService::new(All));
    let server = Running::start_at(server, "tcp://127.0.0.1:0").await;
    let kinds = KindsClient::connect(&server.address).await.unwrap();
    let (peer, local, more) = kinds.where_am_i(9).await.unwrap();
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    assert_eq!((local, more), (server.address.clone(), 9));
    let kind: String = server.client().await.call("type", ()).await.unwrap();
    assert_eq!(kind, "kind");
}

#[tokio::test]
async fn blocking_and_spawned_methods_answer_as_others_do() {
    let (_server, kinds) = kinds().await;
    assert_eq!(kinds.on_a_thread(&vec![1; 100_000]).await.unwrap(), (true, 100_000));
    let numbers = try_join_all((0..100).map(|n| kinds.on_a_task(n))).await.unwrap();
    assert!(numbers.into_iter().eq(0..100));
    let threads = try_join_all((0..100).map(|_| kinds.on_a_thread(b"abc"))).await.unwrap();
    assert!(threads.into_iter().all(|found| found == (true, 3)));
}

#[tokio::test]
async fn several_services_share_one_server_and_one_connection() {
    let server = Server::new(KindsService::new(All)).service(LabService::new(Bench::default()));
    let server = Running::start(server).await;
    let client = server.client().await;
    let (kinds, lab) = (KindsClient::new(client.clone()), LabClient::new(client.clone()));
    assert_eq!(kinds.same(1).await.unwrap(), 1);
    assert_eq!(lab.divide(1, 0).await.unwrap_err().to_string(), "division by zero");
    assert!(matches!(lab.divide(1, 0).await, Err(CallError::Method(DivideByZero))));
    let error = client.call::<Value>("nope", ()).await.unwrap_err();
    assert_eq!(error.to_string(), "[-32601] unknown method: nope");
}

#[tokio::test]
async fn two_services_with_one_method_name_are_refused_when_bound() {
    mod other {
        #[msgrpc::service]
        pub(crate) trait Other {
            async fn add(&self) -> u8;
        }
        pub(crate) struct One;
        impl Other for One {
            async fn add(&self) -> u8 {
                1
            }
        }
    }
    let lab = || LabService::new(Bench::default());
    let server = Server::new(lab()).service(other::OtherService::new(other::One));
    let error = server.listen("memory://twice").bind().await.unwrap_err();
    let expected = "the services `Lab` and `Other` both have a method `add`; give one of them a \
                    namespace, #[msgrpc::service(namespace = \"…\")], or the method another name";
    assert_eq!(error.to_string(), expected);
    let server = Running::start(Server::new(lab())).await;
    let builder = server.builder().serve(lab()).serve(lab());
    let error = builder.connect().await.unwrap_err().to_string();
    assert!(error.starts_with("the services `Lab` and `Lab` both have a method `add`"), "{error}");
}

/// Answers when as many calls as it waits for are there, the last first.
struct Meeting {
    expected: usize,
    come: AtomicUsize,
    all: Notify,
}

#[msgrpc::service]
trait Meet {
    async fn meet(&self, token: u64) -> u64;
}

impl Meet for Meeting {
    async fn meet(&self, token: u64) -> u64 {
        let all = self.all.notified();
        if self.come.fetch_add(1, Ordering::SeqCst) + 1 == self.expected {
            self.all.notify_waiters();
        } else {
            all.await;
        }
        token
    }
}

const MANY: usize = 10_000;

fn roomy(mut limits: Limits) -> Limits {
    limits.max_in_flight = MANY;
    limits.requests_at_work = MANY;
    limits
}

#[tokio::test]
async fn ten_thousand_calls_wait_on_one_connection_and_each_gets_its_own_answer() {
    let meeting = Meeting { expected: MANY, come: AtomicUsize::new(0), all: Notify::new() };
    let server = Server::new(MeetService::new(meeting)).limits(roomy(Limits::server()));
    let server = Running::start(server).await;
    let client = server.builder().limits(roomy(Limits::client())).connect().await.unwrap();
    let meet = MeetClient::new(client);
    let tokens = (0..MANY as u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let answers = join_all(tokens.clone().map(|token| meet.meet(token))).await;
    assert!(answers.into_iter().map(Result::unwrap).eq(tokens));
}

#[tokio::test]
async fn answers_in_any_order_reach_their_calls() {
    for stride in [1, MANY - 1, 3_331, 7_777] {
        let set = |builder: msgrpc::ClientBuilder| builder.limits(roomy(Limits::client()));
        let (client, mut wire) = Script::client_with(set).await;
        let calls = join_all((0..MANY).map(|n| client.call::<u64>("any", (n,))));
        let script = async {
            let mut requests = Vec::new();
            while requests.len() < MANY {
                requests.push(wire.message().await);
            }
            // The stride has no divisor in common with 10 000: each is answered once.
            for step in 1..=MANY {
                let request = requests[step * stride % MANY].as_array().unwrap();
                let token = request[3].as_array().unwrap()[0].as_u64().unwrap();
                wire.send(response(&request[1], token + 7)).await;
            }
        };
        let (answers, ()) = tokio::join!(calls, script);
        assert!(answers.into_iter().map(Result::unwrap).eq(7..MANY as u64 + 7), "{stride}");
    }
}

#[tokio::test]
async fn with_one_call_in_flight_the_next_is_sent_after_the_answer_in_order() {
    let (client, mut wire) = Script::client_with(|builder| builder.max_in_flight(1)).await;
    let calls = join_all((0..100).map(|n| client.call::<u32>("one", (n,))));
    let script = async {
        for n in 0..100_u32 {
            assert_eq!(wire.message().await, value((0, n, "one", (u16::try_from(n).unwrap(),))));
            assert!(wire.is_silent().await, "a second request came before the answer");
            wire.send(response(n, n)).await;
        }
    };
    let (answers, ()) = tokio::join!(calls, script);
    assert!(answers.into_iter().map(Result::unwrap).eq(0..100));
}

#[msgrpc::service]
trait Ping {
    async fn ping(&self, ctx: &Context, left: u32) -> u32;
}

struct Pong;

impl Ping for Pong {
    async fn ping(&self, ctx: &Context, left: u32) -> u32 {
        match left {
            0 => 0,
            _ => PingClient::new(ctx.client()).ping(left - 1).await.unwrap() + 1,
        }
    }
}

#[tokio::test]
async fn both_ends_call_each_other_a_hundred_deep_on_one_connection() {
    for address in ["memory://ping", "tcp://127.0.0.1:0"] {
        let server = Running::start_at(Server::new(PingService::new(Pong)), address).await;
        let client = server.builder().serve(PingService::new(Pong)).connect().await.unwrap();
        let ping = PingClient::new(client);
        assert_eq!(ping.ping(100).await.unwrap(), 100);
        let many = try_join_all((0..20).map(|_| ping.ping(30))).await.unwrap();
        assert_eq!(many, [30; 20]);
    }
}

#[tokio::test]
async fn a_method_calls_back_even_where_only_one_may_be_at_work_each_way() {
    let one = |mut limits: Limits| {
        limits.max_in_flight = 1;
        limits.requests_at_work = 1;
        limits
    };
    let server = Server::new(PingService::new(Pong)).limits(one(Limits::server()));
    let server = Running::start(server).await;
    let builder = server.builder().limits(one(Limits::client()));
    let client = builder.serve(PingService::new(Pong)).connect().await.unwrap();
    let ping = PingClient::new(client);
    for _ in 0..10 {
        assert_eq!(ping.ping(1).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_peer_that_serves_nothing_refuses_the_call_back() {
    let server = Running::start(Server::new(PingService::new(Pong))).await;
    let client = server.client().await;
    let error = PingClient::new(client.clone()).ping(1).await.unwrap_err();
    assert_eq!(error.to_string(), "[-32603] internal error", "the method's `unwrap` panicked");
    let sum: Result<u32, CallError<NoError>> = client.call("ping", (0,)).await;
    assert_eq!(sum.unwrap(), 0);
}

#[tokio::test]
async fn clones_of_a_client_share_its_connection() {
    let (mut script, calls) = {
        let script = Script::listen().await;
        let client = Client::connect(&script.address).await.unwrap();
        let calls = [client.clone(), client].map(|client| client.call::<u8>("x", ()));
        (script, calls)
    };
    let mut wire = script.accept().await;
    let answers = async {
        for msgid in 0..2 {
            assert_eq!(wire.message().await.as_array().unwrap()[1], Value::from(msgid));
            wire.send(response(msgid, msgid)).await;
        }
        assert_eq!(wire.rest().await, [], "it closes when the last call is answered");
    };
    let (answered, ()) = tokio::join!(try_join_all(calls), answers);
    assert_eq!(answered.unwrap(), [0, 1]);
}
