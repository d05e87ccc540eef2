//! Pools over TLS: a certificate that the server rejects is told at once, and not tried hot.
#![cfg(any(feature = "tls", feature = "tls-aws-lc"))]

#[path = "support/certs.rs"]
mod certs;
mod support;

use certs::Bed;
use msgrpc::{Pool, Server};
use support::{Bench, LabClient, LabService, Running};

async fn run(bed: &Bed) -> Running {
    let server = Server::new(LabService::new(Bench::default())).tls(bed.server.clone());
    Running::start_at(server, "tls://127.0.0.1:0").await
}

#[tokio::test]
async fn a_pool_speaks_tls_with_the_settings_of_its_clients() {
    let bed = Bed::mutual();
    let server = run(&bed).await;
    let tls = bed.client_with(&bed.authority.issue(certs::client("somebody")));
    for isolated in [false, true] {
        let tls = tls.clone();
        let builder = Pool::builder(&server.address).max_size(2).isolated(isolated);
        let pool = builder.client(|client| client.tls(tls)).build().await.unwrap();
        assert_eq!(LabClient::new(pool.clone()).add(2, 3).await.unwrap(), 5);
        pool.close().await;
    }
}

#[tokio::test]
async fn a_rejected_certificate_fails_calls_at_once_and_is_not_tried_hot() {
    let bed = Bed::mutual();
    let server = run(&bed).await;
    for isolated in [false, true] {
        let tls = bed.client.clone();
        let builder = Pool::builder(&server.address).max_size(3).isolated(isolated).timeout(None);
        let pool =
            builder.wait_timeout(None).client(|client| client.tls(tls)).build_lazy().unwrap();
        let lab = LabClient::new(pool.clone());
        for _ in 0..100 {
            // Without any timeout: what cannot be helped is not waited for.
            let error = lab.add(2, 3).await.unwrap_err().to_string();
            assert!(error.contains("the server rejected our client certificate"), "{error}");
        }
        let status = pool.status();
        assert!(status.created <= 12, "{status:?}");
        pool.close().await;
    }
}
