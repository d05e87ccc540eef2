//! Nothing that is generated breaks a lint that the user forbids.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unnameable_types)]
#![deny(rust_2018_idioms, redundant_lifetimes, unused_qualifications, single_use_lifetimes)]
#![forbid(unsafe_code, unused_imports, nonstandard_style)]

/// A service.
#[msgrpc::service]
#[deprecated(since = "1.0.0", note = "another is better")]
pub trait Foo: std::fmt::Debug {
    /// A method.
    #[deprecated]
    async fn a(&self, b: u8) -> String;
    /// With a body.
    async fn b(&self, mut n: u32, s: &str, _unused: String) -> Result<u32, String> {
        n += u32::try_from(s.len()).map_err(|error| error.to_string())?;
        if n > 7 {
            return Err("too long".to_owned());
        }
        Ok(n)
    }
    /// Nothing.
    async fn c(&self) -> ();
    /// Local.
    #[msgrpc(skip)]
    fn local<T: std::fmt::Debug>(&self, value: T) -> String
    where
        Self: Sized,
    {
        format!("{value:?}")
    }
}

fn main() {}
