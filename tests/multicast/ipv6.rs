//! Groups of IPv6, on the first interface that carries them; nothing leaves the machine.

use std::time::Duration;

use msgrpc::transport::{Address, DatagramSocket};
use msgrpc::{CallError, Group, Server};

use crate::support::{Bench, LabGroup, LabService};

const LONG: Duration = Duration::from_secs(30);

/// A group that this machine can hear itself in, of this scope; `None`, with the reason printed, where there is none.
///
/// The loopback interface of Linux has no route for IPv6 multicast unless somebody gave it one. On others, `ttl=0` keeps
/// datagrams within the machine.
async fn group(scope: &str) -> Option<String> {
    let mut reasons = Vec::new();
    for interface in interfaces() {
        let text = format!(
            "multicast://[{scope}::7:{:x}]:0?ttl=0&interface={interface}",
            std::process::id()
        );
        match hears_itself(&text.parse().unwrap()).await {
            Ok(address) => return Some(address.to_string()),
            Err(reason) => reasons.push(format!("{interface}: {reason}")),
        }
    }
    println!("skipped: no interface carries IPv6 multicast: {}", reasons.join("; "));
    None
}

/// The interfaces of this machine, as a refusal lists them: the loopback first.
fn interfaces() -> Vec<String> {
    let unknown = "multicast://239.1.2.3:9?interface=unknown0".parse().unwrap();
    let text = DatagramSocket::asking(&unknown).unwrap_err().to_string();
    let (_, list) = text.split_once("it has ").unwrap();
    list.split("), ")
        .filter_map(|shown| shown.split_once(" ("))
        .map(|(name, _)| name.to_owned())
        .collect()
}

async fn hears_itself(address: &Address) -> Result<Address, String> {
    let member = DatagramSocket::member(address).map_err(|error| error.to_string())?;
    let address = member.hearing.address().clone();
    let (asking, to) = DatagramSocket::asking(&address).map_err(|error| error.to_string())?;
    asking.send(b"who", Some(to), None).await.map_err(|error| error.to_string())?;
    let mut buffer = bytes::BytesMut::new();
    let heard = member.hearing.recv(&mut buffer);
    match tokio::time::timeout(Duration::from_secs(1), heard).await {
        Ok(_) => Ok(address),
        Err(_) => Err("nothing comes back".to_owned()),
    }
}

#[tokio::test]
async fn servers_of_a_link_local_group_all_answer() {
    answer("ff02").await;
}

#[tokio::test]
async fn servers_of_an_interface_local_group_all_answer() {
    answer("ff01").await;
}

#[tokio::test]
async fn servers_of_a_site_local_group_all_answer() {
    answer("ff15").await;
}

async fn answer(scope: &str) {
    let Some(address) = group(scope).await else { return };
    for _ in 0..3 {
        let server = Server::new(LabService::new(Bench::default())).listen(&address);
        tokio::spawn(server.bind().await.unwrap().run());
    }
    let group = Group::builder(&address).dedup_by_source(true).join().await.unwrap();
    let lab = LabGroup::new(group.clone());
    let replies = lab.add(2, 3).expect(3).wait(LONG).await.unwrap();
    assert!(replies.iter().all(|reply| reply.from.is_ipv6()));
    assert!(replies.iter().all(|reply| matches!(reply.result, Ok(5))));
    assert_eq!(group.counts().repeated, 0, "three addresses");
    let replies = lab.divide(1, 0).expect(3).wait(LONG).await.unwrap();
    assert!(replies.iter().all(|reply| matches!(reply.result, Err(CallError::Method(_)))));
}
