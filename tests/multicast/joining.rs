//! Joining a group: what is wrong with an address, an interface, a subnet; said to whoever joins, on either side.

use msgrpc::{Client, Group, Server, Value};

use crate::support::{Bench, LabService};

async fn client_refusal(address: &str) -> String {
    Group::join(address).await.unwrap_err().to_string()
}

async fn server_refusal(address: &str) -> String {
    let server = Server::new(LabService::new(Bench::default()));
    server.listen(address).bind().await.unwrap_err().to_string()
}

#[tokio::test]
async fn f9_an_unknown_interface_is_named_beside_the_known_ones() {
    let address = "multicast://239.1.2.3:9000?interface=nowhere0";
    let expected =
        format!("cannot join {address}: this machine has no network interface `nowhere0`; it has ");
    for text in [client_refusal(address).await, server_refusal(address).await] {
        assert!(text.starts_with(&expected) && text.contains("127.0.0.1"), "{text}");
    }
}

#[tokio::test]
async fn f9_an_ipv6_group_of_one_network_needs_an_interface() {
    let address = "multicast://[ff02::77]:9000";
    for text in [client_refusal(address).await, server_refusal(address).await] {
        assert!(
            text.contains(
                "its interface must be named: multicast://[ff02::77]:9000?interface=eth0"
            ),
            "{text}"
        );
    }
}

#[tokio::test]
async fn bad_addresses_say_what_a_good_one_is() {
    assert_eq!(
        client_refusal("multicast://10.0.0.1:9000").await,
        "bad group in \"multicast://10.0.0.1:9000\": expected 224.0.0.0 to 239.255.255.255, or an \
         IPv6 address from ff00::/8 in brackets; a good address: multicast://239.1.2.3:9000"
    );
    assert_eq!(
        client_refusal("tcp://127.0.0.1:9000").await,
        "cannot join tcp://127.0.0.1:9000: it is no multicast address; a good one: \
         multicast://239.1.2.3:9000"
    );
    let group = Group::builder("multicast://239.1.2.3:9000?interface=127.0.0.1");
    assert_eq!(
        group.accept_from("10.0.0.0/33").join().await.unwrap_err().to_string(),
        "bad subnet \"10.0.0.0/33\": expected an address and the number of bits that count; a good \
         one: 192.168.1.0/24"
    );
}

#[tokio::test]
async fn a_client_of_one_server_says_that_a_group_is_asked_otherwise() {
    let error = Client::connect("multicast://239.1.2.3:9000").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not connect to multicast://239.1.2.3:9000: multicast has no connections: servers \
         join a group by listening on it, and a `Group` asks it"
    );
}

#[tokio::test]
async fn settings_that_reach_nobody_are_named_when_nobody_answers() {
    for (settings, hint) in [
        ("&ttl=0", " (with ttl=0 nobody beyond this machine hears it)"),
        ("&loop=false", " (with loop=false nobody on this machine hears it)"),
        ("&ttl=0&loop=false", ": ttl=0 keeps it on this machine, loop=false from it"),
    ] {
        let address = format!("multicast://239.77.99.1:9?interface=127.0.0.1{settings}");
        let group = Group::join(&address).await.unwrap();
        let call = group.call::<Value>("add", ()).wait(std::time::Duration::from_millis(10));
        let shown = group.address();
        assert_eq!(
            call.await.unwrap_err().to_string(),
            format!("nobody answered `add` at {shown} within 10ms{hint}")
        );
    }
}
