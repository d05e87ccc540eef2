//! Notifications: nothing comes back, and those of one connection run in the order in which they were sent.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::sync::Mutex;
use std::time::Duration;

use msgrpc::Server;

/// A robot's arm, which moves while nobody waits.
#[msgrpc::service]
pub trait Arm {
    /// Moves it; the next move begins when this one has ended.
    #[msgrpc(notification)]
    async fn turn(&self, degrees: i32);
    /// Where it is. A question does not wait for the moves.
    async fn angle(&self) -> i32;
    /// How often it moved.
    async fn moves(&self) -> usize;
}

#[derive(Default)]
struct Robot {
    angles: Mutex<Vec<i32>>,
}

impl Robot {
    fn last(&self) -> i32 {
        self.angles.lock().map_or(0, |angles| angles.last().copied().unwrap_or(0))
    }
}

impl Arm for Robot {
    async fn turn(&self, degrees: i32) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let angle = self.last() + degrees;
        println!("the arm is at {angle}°");
        if let Ok(mut angles) = self.angles.lock() {
            angles.push(angle);
        }
    }

    async fn angle(&self) -> i32 {
        self.last()
    }

    async fn moves(&self) -> usize {
        self.angles.lock().map_or(0, |angles| angles.len())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(ArmService::new(Robot::default())).listen("tcp://127.0.0.1:0");
    let server = server.bind().await?;
    let address = server.addresses()[0].to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_until(stopped));

    let arm = ArmClient::connect(&address).await?;
    for degrees in [30, 30, -15] {
        arm.turn(degrees).await?;
    }
    println!("three moves are sent; the arm is still at {}°", arm.angle().await?);
    while arm.moves().await? < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("all moves are done: {}°", arm.angle().await?);

    drop(stop);
    server.await??;
    Ok(())
}
