//! `msgrpc` under another path.

pub mod framework {
    pub use msgrpc as rpc;
}

mod inside {
    #[crate::framework::rpc::service(crate = "crate::framework::rpc")]
    pub trait Foo {
        async fn a(&self, b: u8) -> Result<u8, String>;
    }
}

fn main() {
    let _ = inside::FOO;
}
