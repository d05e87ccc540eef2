//! Sockets of a group on this machine, over its loopback interface: no route and no rights are needed.

use std::time::Duration;

use super::*;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn refusal(text: &str) -> String {
    asking(&address(text)).unwrap_err().to_string()
}

#[test]
fn several_members_share_a_port_and_each_hears_what_is_asked() {
    for interface in ["127.0.0.1", "lo"] {
        let group =
            |port: u16| address(&format!("multicast://239.77.1.1:{port}?interface={interface}"));
        if interface == "lo" && !cfg!(target_os = "linux") {
            continue;
        }
        let first = member(&group(0)).unwrap();
        let group = group(first.local_addr().unwrap().port());
        let members = [first, member(&group).unwrap(), member(&group).unwrap()];
        let (asking, to) = asking(&group).unwrap();
        asking.send_to(b"who", to).unwrap();
        for member in members {
            member.set_nonblocking(false).unwrap();
            member.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut buffer = [0; 8];
            let (bytes, from) = member.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..bytes], b"who");
            assert_eq!(from.ip(), Ipv4Addr::LOCALHOST);
            assert_eq!(from.port(), asking.local_addr().unwrap().port());
        }
    }
}

#[test]
fn each_answering_socket_has_a_port_of_its_own() {
    let group = address("multicast://239.77.1.2:9000?interface=127.0.0.1");
    let ports = [(); 3].map(|()| answering(&group).unwrap());
    let ports = ports.map(|socket| socket.local_addr().unwrap().port());
    assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2], "{ports:?}");
    assert!(!ports.contains(&9000));
}

#[test]
fn ttl_loopback_and_interface_are_set_on_the_asking_socket() {
    let group = address("multicast://239.77.1.3:9000?ttl=7&interface=127.0.0.1&loop=false");
    let (socket, to) = asking(&group).unwrap();
    let socket = Socket::from(socket);
    assert_eq!(socket.multicast_ttl_v4().unwrap(), 7);
    assert!(!socket.multicast_loop_v4().unwrap());
    assert_eq!(socket.multicast_if_v4().unwrap(), Ipv4Addr::LOCALHOST);
    assert_eq!(to.to_string(), "239.77.1.3:9000");
}

#[test]
fn an_unknown_interface_is_named_beside_those_that_there_are() {
    let text = refusal("multicast://239.77.1.4:9000?interface=nowhere0");
    let expected = "cannot join multicast://239.77.1.4:9000?interface=nowhere0: this machine has no \
                    network interface `nowhere0`; it has ";
    assert!(text.starts_with(expected) && text.contains("127.0.0.1"), "{text}");
    let text = refusal("multicast://239.77.1.4:9000?interface=192.0.2.77");
    assert!(text.contains("no network interface `192.0.2.77`"), "{text}");
}

#[test]
fn a_group_within_one_network_needs_its_interface() {
    let text = refusal("multicast://[ff02::77]:9000");
    let expected = "cannot join multicast://[ff02::77]:9000: such a group is within one network, so \
                    that its interface must be named: multicast://[ff02::77]:9000?interface=eth0; \
                    this machine has ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn an_address_of_another_transport_is_refused() {
    assert_eq!(
        refusal("udp://127.0.0.1:9000"),
        "cannot join udp://127.0.0.1:9000: it is no multicast address; a good one: \
         multicast://239.1.2.3:9000"
    );
}

#[test]
fn want_of_a_route_says_which_interfaces_need_none() {
    let without_route = |text| {
        let address = address(text);
        let way = Way::find(&address).unwrap();
        way.failed(io::ErrorKind::NetworkUnreachable.into()).to_string()
    };
    let text = without_route("multicast://239.77.1.5:9000?ttl=5");
    let expected = "cannot join multicast://239.77.1.5:9000?ttl=5: there is no route to the group; \
                    name the interface to use, which needs none: \
                    multicast://239.77.1.5:9000?ttl=5&interface=127.0.0.1 stays within this \
                    machine; it has ";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(
        without_route("multicast://239.77.1.5:9000?interface=127.0.0.1"),
        "cannot join multicast://239.77.1.5:9000?interface=127.0.0.1: there is no route to the \
         group; is the network interface `127.0.0.1` up?"
    );
}

#[test]
fn a_list_of_interfaces_is_short() {
    let all = Interface::all().unwrap();
    let one = all.iter().find(|interface| interface.ipv4("").is_some()).unwrap().clone();
    let many = Interfaces::new(vec![one.clone(); 11]).to_string();
    assert!(many.ends_with(" and 3 more"), "{many}");
    assert_eq!(many.matches(&one.to_string()).count(), 8);
    assert_eq!(Interfaces::new(Vec::new()).to_string(), "none that is up and has an address");
}
