//! Borrowed arguments: a method reads text and bytes where they lie in the request, without a copy.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::borrow::Cow;

use msgrpc::Server;
use serde::{Deserialize, Serialize};

/// A store that looks at much and keeps little.
#[msgrpc::service]
pub trait Store {
    /// How many lines of `text` contain `word`.
    async fn count(&self, text: &str, word: &str) -> usize;
    /// The largest byte.
    async fn peak(&self, data: &[u8]) -> Option<u8>;
    /// Borrowed or owned, as the method likes.
    async fn shout(&self, text: Cow<'_, str>) -> String;
    /// A struct's fields may borrow as well.
    async fn weigh(&self, parcel: Parcel<'_>) -> usize;
}

/// What is sent; the receiver borrows its parts from the message.
#[derive(Debug, Serialize, Deserialize)]
pub struct Parcel<'a> {
    label: &'a str,
    content: &'a [u8],
}

struct Shelf;

impl Store for Shelf {
    async fn count(&self, text: &str, word: &str) -> usize {
        text.lines().filter(|line| line.contains(word)).count()
    }

    async fn peak(&self, data: &[u8]) -> Option<u8> {
        data.iter().copied().max()
    }

    async fn shout(&self, text: Cow<'_, str>) -> String {
        text.to_uppercase()
    }

    async fn weigh(&self, parcel: Parcel<'_>) -> usize {
        parcel.label.len() + parcel.content.len()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(StoreService::new(Shelf)).listen("memory://shelf").bind().await?;
    let server = tokio::spawn(server.run());

    let store = StoreClient::connect("memory://shelf").await?;
    // The client lends its arguments, too: nothing is cloned for a call.
    let text = "a red fox\na blue hen\na red hen\n".repeat(1000);
    println!("{} lines are red", store.count(&text, "red").await?);
    println!("the peak is {:?}", store.peak(&[3, 250, 7]).await?);
    println!("{}", store.shout("hello".into()).await?);
    println!("{} bytes", store.weigh(Parcel { label: "fragile", content: &[0; 100] }).await?);

    server.abort();
    Ok(())
}
