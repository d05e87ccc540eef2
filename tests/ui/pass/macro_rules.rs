//! Services that a macro writes.

macro_rules! service {
    ($name:ident, $ty:ty, $lent:ty, $arg:ident) => {
        #[msgrpc::service]
        pub trait $name {
            async fn a(&self, $arg: $ty, other: $lent, opt: Option<u16>) -> $ty;
        }
    };
}

service!(Bar, u8, &str, params);
service!(Baz, Option<u8>, Option<&str>, encoded);

fn main() {}
