//! Values of every kind of MessagePack, to be given back as they are.
//!
//! Each has a name, by which `--skip` leaves it out for peers that do not have the kind.

use msgrpc::Value;

/// Bytes that a value may have where each message is a datagram of at most 8 192 bytes.
pub(crate) const DATAGRAM: usize = 8_000;

/// The values, each with the name of its check; none takes much more than `largest` bytes.
pub(crate) fn all(largest: usize) -> Vec<(&'static str, Value)> {
    let texts = [0, 31, 32, 255, 256, 4_000, 65_535, 65_536].into_iter();
    let lists = [0, 15, 16, 4_000, 60_000].into_iter();
    let fits = |length: &usize| *length < largest / 2;
    vec![
        ("echo nil and booleans", list([Value::Nil, true.into(), false.into()])),
        ("echo integers of every width", integers()),
        ("echo the largest u64", Value::UInt(u64::MAX)),
        ("echo floats", list([0.0, -1.5, 0.1, 1e300, f64::INFINITY].map(Value::F64))),
        ("echo text of every width", list(texts.filter(fits).map(text))),
        ("echo text beyond ASCII", "Grüße, 世界, 🦀".into()),
        ("echo bytes", Value::Binary((0..=255).collect())),
        ("echo bytes in a str", Value::RawString(vec![0xff, 0xfe, 0])),
        ("echo lists of every width", list(lists.filter(fits).map(zeros))),
        ("echo maps", map()),
        ("echo maps with integers for keys", Value::Map(vec![(1.into(), "one".into())])),
        ("echo an extension", Value::Ext(5, vec![1, 2, 3])),
        ("echo a timestamp", Value::Ext(-1, vec![0x65, 0, 0, 0])),
        ("echo 100 levels", (0..100).fold(Value::Nil, |inner, _| list([inner]))),
        ("echo a large text", text(largest.min(1 << 20))),
    ]
}

/// Integers beside every edge of their widths.
pub(crate) fn integers() -> Value {
    let edges = [7, 8, 15, 16, 31, 32, 63].map(|bits| 1_i128 << bits);
    let around = edges.into_iter().flat_map(|edge| [edge - 1, edge, 1 - edge, -edge, -edge - 1]);
    let fitting = around.chain([0, 1, 31, 32, 33, -31, -32, -33]);
    list(fitting.filter_map(|number| i64::try_from(number).ok()).map(Value::Int))
}

fn map() -> Value {
    let phone = |kind: &str, number: &str| {
        Value::Map(vec![("type".into(), kind.into()), ("number".into(), number.into())])
    };
    let wide = (0..20).map(|n| (format!("key {n:02}").into(), n.into())).collect();
    Value::Map(vec![
        ("firstName".into(), "John".into()),
        ("isAlive".into(), true.into()),
        ("height_cm".into(), 167.6.into()),
        ("phoneNumbers".into(), list([phone("home", "212 555-1234"), phone("office", "646")])),
        ("children".into(), list([])),
        ("spouse".into(), Value::Nil),
        ("wide".into(), Value::Map(wide)),
    ])
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(items.into_iter().collect())
}

fn text(length: usize) -> Value {
    "x".repeat(length).into()
}

fn zeros(length: usize) -> Value {
    Value::Array(vec![0.into(); length])
}

/// Whether two values are the same to peers that keep no order in maps and have one type of number.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(ones), Value::Array(others)) => {
            ones.len() == others.len()
                && ones.iter().zip(others).all(|(one, other)| same(one, other))
        }
        (Value::Map(ones), Value::Map(others)) => {
            let has = |(key, one): &(Value, Value)| {
                others.iter().any(|(name, other)| same(key, name) && same(one, other))
            };
            ones.len() == others.len() && ones.iter().all(has)
        }
        // An integer that came back as a float, or a float as an integer.
        (Value::F32(_) | Value::F64(_), _) | (_, Value::F32(_) | Value::F64(_)) => {
            one.as_f64().is_some() && one.as_f64() == other.as_f64()
        }
        _ => one == other,
    }
}
