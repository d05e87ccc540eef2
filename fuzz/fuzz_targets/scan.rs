//! The scanner finds an end exactly where rmp-serde does, on any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msgrpc_core::scan::check;

fuzz_target!(|bytes: &[u8]| check::agrees_with_rmp_serde(bytes));
