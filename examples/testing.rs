//! Testing: code that calls against a mock, a service in process, and both over a connection in memory.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use msgrpc::testing::{MockCaller, pair};
use msgrpc::{CallError, Caller, in_process};

/// Knows temperatures.
#[msgrpc::service]
pub trait Weather {
    /// Degrees Celsius.
    async fn temperature(&self, city: &str) -> Result<f64, String>;
}

struct Station;

impl Weather for Station {
    async fn temperature(&self, city: &str) -> Result<f64, String> {
        if city == "Oslo" { Ok(-4.0) } else { Err(format!("no station in {city}")) }
    }
}

/// The code under test: it takes a client over any caller.
async fn advice<C: Caller>(weather: &WeatherClient<C>, city: &str) -> &'static str {
    match weather.temperature(city).await {
        Ok(degrees) if degrees < 0.0 => "wear a coat",
        Ok(_) => "leave the coat",
        Err(CallError::Method(_)) => "look out of the window",
        Err(_) => "try again later",
    }
}

#[tokio::main]
async fn main() {
    // A mock says what is answered, errors and timeouts as well.
    let mock = MockCaller::new();
    mock.expect("temperature", ("Rome",)).answer(&21.5);
    mock.expect("temperature", ("Atlantis",)).fail("no such city");
    mock.expect_any("temperature").time_out();
    let weather = WeatherClient::new(mock.clone());
    assert_eq!(advice(&weather, "Rome").await, "leave the coat");
    assert_eq!(advice(&weather, "Atlantis").await, "look out of the window");
    assert_eq!(advice(&weather, "Lima").await, "try again later");
    // Panics with a list if something was not called.
    mock.verify();
    println!("with a mock: {} calls as expected", mock.calls().len());

    // The real service, without a server.
    let weather = WeatherClient::new(in_process(WeatherService::new(Station)));
    println!("in process: {}", advice(&weather, "Oslo").await);

    // And with a server and a connection in memory.
    let (client, server) = pair(WeatherService::new(Station)).await;
    println!("over a connection: {}", advice(&WeatherClient::new(client), "Paris").await);
    println!("tasks that were cut off: {}", server.stop().await.aborted);
}
