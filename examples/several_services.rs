//! Several services on one server and one connection; a namespace keeps equal names apart.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use msgrpc::{Client, MethodDescriptor, ServeError, Server};

/// On the wire: `lamp.status` and `lamp.switch`.
#[msgrpc::service(namespace = "lamp")]
pub trait Lamp {
    /// Whether it burns.
    async fn status(&self) -> String;
    /// Switches it on.
    async fn switch(&self, on: bool) -> bool;
}

/// On the wire: `door.status`.
#[msgrpc::service(namespace = "door")]
pub trait Door {
    /// Whether it is open.
    async fn status(&self) -> String;
}

struct House;

impl Lamp for House {
    async fn status(&self) -> String {
        "dark".to_owned()
    }

    async fn switch(&self, on: bool) -> bool {
        on
    }
}

impl Door for House {
    async fn status(&self) -> String {
        "closed".to_owned()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(LampService::new(House))
        .service(DoorService::new(House))
        .listen("tcp://127.0.0.1:0")
        .listen("memory://house")
        .bind()
        .await?;
    let addresses = server.addresses();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    for address in &addresses {
        // Both clients call through the same connection.
        let client = Client::connect(&address.to_string()).await?;
        let (lamp, door) = (LampClient::new(client.clone()), DoorClient::new(client));
        let (lamp, door) = tokio::try_join!(lamp.status(), door.status())?;
        println!("{}: the lamp is {lamp}, the door is {door}", address.scheme());
    }
    for descriptor in [&LAMP, &DOOR] {
        let names: Vec<_> = descriptor.methods().iter().map(MethodDescriptor::name).collect();
        println!("{}: {}", descriptor.name(), names.join(", "));
    }
    drop(stop);
    server.await??;

    // Two services of one name are found out before the server runs.
    let twice = Server::new(LampService::new(House)).service(LampService::new(House));
    match twice.listen("tcp://127.0.0.1:0").bind().await {
        Err(error @ ServeError::DuplicateMethod { .. }) => println!("refused: {error}"),
        other => println!("{other:?}"),
    }
    Ok(())
}
