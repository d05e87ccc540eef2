//! Methods and parameters that are called as generated code calls its own things, served and called.
//!
//! The user's type has inherent methods of the same names, which must not be the ones called.

use msgrpc::{Client, Server};

#[msgrpc::service]
trait Odd {
    async fn call(&self, request: u8, arguments: u8, encoded: u8, self_: u8) -> u8;
    async fn clone(&self, argument_0: u8, argument_1: u8) -> u8;
    async fn serve(&self, context: u8, implementation: u8, result: u8) -> u8;
    async fn params(&self, value: u8, fault: u8) -> Result<u8, u8>;
    async fn method(&self, caller: u8) -> u8;
    async fn self_(&self) -> u8;
    async fn r#type(&self, r#match: u8) -> u8;
    async fn descriptor(&self) -> u8;
    async fn fmt(&self) -> u8;
    #[expect(clippy::wrong_self_convention, reason = "the name is what is tested")]
    async fn from_arc(&self) -> u8;
    async fn take(&self, push: u8) -> u8;
    async fn group(&self, client: u8, group: u8) -> u8;
    #[msgrpc(blocking)]
    fn run(&self, request: u8, method: u8) -> u8;
    #[msgrpc(skip)]
    async fn new(&self) -> u8 {
        0
    }
}

struct Even;

#[expect(dead_code, clippy::unused_self, reason = "they are there so as not to be called")]
impl Even {
    fn call(&self) {}
    fn clone(&self) {}
    fn method(&self) {}
    fn run(&self) {}
    fn fmt(&self) {}
}

impl Odd for Even {
    async fn call(&self, request: u8, arguments: u8, encoded: u8, self_: u8) -> u8 {
        request + arguments + encoded + self_
    }

    async fn clone(&self, argument_0: u8, argument_1: u8) -> u8 {
        argument_0 - argument_1
    }

    async fn serve(&self, context: u8, implementation: u8, result: u8) -> u8 {
        context - implementation - result
    }

    async fn params(&self, value: u8, fault: u8) -> Result<u8, u8> {
        if fault == 0 { Ok(value) } else { Err(fault) }
    }

    async fn method(&self, caller: u8) -> u8 {
        caller
    }

    async fn self_(&self) -> u8 {
        1
    }

    async fn r#type(&self, r#match: u8) -> u8 {
        r#match
    }

    async fn descriptor(&self) -> u8 {
        2
    }

    async fn fmt(&self) -> u8 {
        3
    }

    async fn from_arc(&self) -> u8 {
        4
    }

    async fn take(&self, push: u8) -> u8 {
        push
    }

    async fn group(&self, client: u8, group: u8) -> u8 {
        client - group
    }

    fn run(&self, request: u8, method: u8) -> u8 {
        request - method
    }
}

#[tokio::test]
async fn odd_names_are_called() {
    let server =
        Server::new(OddService::new(Even)).listen("memory://hygiene").bind().await.unwrap();
    tokio::spawn(server.run());
    let raw = Client::connect("memory://hygiene").await.unwrap();
    let odd = OddClient::new(raw.clone());
    assert_eq!(odd.call(1, 2, 3, 4).await.unwrap(), 10);
    assert_eq!(odd.clone(9, 1).await.unwrap(), 8);
    assert_eq!(odd.serve(9, 1, 2).await.unwrap(), 6);
    assert_eq!(odd.params(5, 0).await.unwrap(), 5);
    assert!(matches!(odd.params(5, 6).await, Err(msgrpc::CallError::Method(6))));
    assert_eq!(odd.method(7).await.unwrap(), 7);
    assert_eq!(odd.self_().await.unwrap(), 1);
    assert_eq!(odd.r#type(8).await.unwrap(), 8);
    assert_eq!(odd.descriptor().await.unwrap(), 2);
    assert_eq!(odd.fmt().await.unwrap(), 3);
    assert_eq!(odd.from_arc().await.unwrap(), 4);
    assert_eq!(odd.take(9).await.unwrap(), 9);
    assert_eq!(odd.group(9, 3).await.unwrap(), 6);
    assert_eq!(odd.run(9, 4).await.unwrap(), 5);
    assert_eq!(raw.call::<u8>("type", (8,)).await.unwrap(), 8);
    assert_eq!(raw.call::<u8>("self_", ()).await.unwrap(), 1);
    assert!(raw.call::<u8>("new", ()).await.is_err());
}

#[tokio::test]
async fn odd_names_are_asked_of_a_group() {
    let group = "multicast://239.77.66.1:0?interface=127.0.0.1";
    let server = Server::new(OddService::new(Even)).listen(group).bind().await.unwrap();
    let odd = OddGroup::join(&server.addresses()[0].to_string()).await.unwrap();
    tokio::spawn(server.run());
    let replies = odd.clone(9, 1).expect(1).await.unwrap();
    assert!(matches!(replies[0].result, Ok(8)));
    let replies = odd.group(9, 3).expect(1).await.unwrap();
    assert!(matches!(replies[0].result, Ok(6)));
    let replies = odd.fmt().expect(1).await.unwrap();
    assert!(matches!(replies[0].result, Ok(3)));
    let replies = odd.r#type(8).expect(1).await.unwrap();
    assert!(matches!(replies[0].result, Ok(8)));
}
