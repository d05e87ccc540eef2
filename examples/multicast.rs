//! Multicast: five servers share one address on this machine; a client asks them all at once, and each answers.
//!
//! Nothing has to be set up: `interface=127.0.0.1` needs no route and never leaves the machine.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::time::Duration;

use msgrpc::{Context, GroupError, Reply, Server};

/// Sensors of one kind, as many as there are.
#[msgrpc::service]
pub trait Sensor {
    /// Where the sensor is, and how warm it is there.
    async fn read(&self) -> Result<(String, f64), Broken>;
    /// Whom a sensor sees asking.
    async fn whoami(&self, ctx: &Context) -> String;
    /// Sets the lamps of all.
    #[msgrpc(notification)]
    async fn light(&self, on: bool);
}

/// The sensor does not work.
#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("the sensor is broken")]
#[non_exhaustive]
pub struct Broken;

struct Room {
    name: &'static str,
    warmth: Option<f64>,
}

impl Sensor for Room {
    async fn read(&self) -> Result<(String, f64), Broken> {
        Ok((self.name.to_owned(), self.warmth.ok_or(Broken)?))
    }

    async fn whoami(&self, ctx: &Context) -> String {
        ctx.peer().to_string()
    }

    async fn light(&self, on: bool) {
        println!("{}: light {}", self.name, if on { "on" } else { "off" });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Port 0: the first takes a free one, the others share it.
    let mut address = "multicast://239.77.10.1:0?interface=127.0.0.1".to_owned();
    let (stop, stopped) = tokio::sync::watch::channel(());
    let mut servers = Vec::new();
    for (name, warmth) in [
        ("cellar", Some(11.5)),
        ("kitchen", Some(21.0)),
        ("attic", None),
        ("hall", Some(17.5)),
        ("study", Some(20.0)),
    ] {
        let server = Server::new(SensorService::new(Room { name, warmth })).listen(&address);
        let server = server.bind().await?;
        address = server.addresses()[0].to_string();
        let mut stopped = stopped.clone();
        servers
            .push(tokio::spawn(server.run_until(async move { stopped.changed().await.is_ok() })));
    }

    let sensors = SensorGroup::join(&address).await?;
    // Nobody knows how many there are: without `expect` it would wait the whole second.
    let replies = sensors.read().expect(5).wait(Duration::from_secs(1)).await?;
    println!("Received results from {} peers", replies.len());
    for Reply { from, elapsed, result } in replies {
        match result {
            Ok((name, warmth)) => println!("{from} after {elapsed:?}: {warmth} °C in the {name}"),
            Err(error) => println!("{from} after {elapsed:?}: {error}"),
        }
    }

    // Each as it comes.
    let mut replies = sensors.whoami().expect(5).stream();
    while let Some(reply) = replies.next().await {
        println!("{} sees {}", reply.from, reply.result?);
    }
    replies.finish()?;

    // To all, and nobody answers.
    sensors.light(false).await?;

    drop(stop);
    for server in servers {
        server.await??;
    }
    match sensors.read().wait(Duration::from_millis(100)).await {
        Err(GroupError::NoReplies(nobody)) => println!("{nobody}"),
        other => println!("{other:?}"),
    }
    Ok(())
}
