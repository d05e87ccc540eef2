//! A module in which the names of the prelude mean something else.

#![allow(non_camel_case_types, dead_code)]

pub mod shadowed {
    pub struct Ok;
    pub struct Err;
    pub struct Option;
    pub struct Result;
    pub struct Box;
    pub struct Arc;
    pub struct str;
    pub struct bool;
    pub trait Send {}
    pub trait Sync {}
    pub trait Future {}
    pub trait Clone {}
    mod core {}
    mod std {}

    #[msgrpc::service(crate = "::msgrpc")]
    pub trait HTTPServer {
        async fn a(&self, b: u8) -> u8;
        #[msgrpc(blocking)]
        fn b(&self, b: u8) -> u8;
        #[msgrpc(notification, spawn)]
        async fn c(&self, b: &[u8]);
    }

    const _: &::msgrpc::ServiceDescriptor = &HTTP_SERVER;
}

fn main() {}
