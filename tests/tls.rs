//! TLS between our two ends and with strangers: who is trusted, and what each side says when somebody is not.
#![cfg(any(feature = "tls", feature = "tls-aws-lc"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/certs.rs"]
mod certs;
#[path = "support/thread_log.rs"]
mod log;
mod support;

use std::sync::Arc;
use std::time::Duration;

use certs::{Authority, Bed, Papers, named};
use log::Log;
use msgrpc::tls::rustls::crypto::CryptoProvider;
use msgrpc::tls::rustls::version::{TLS12, TLS13};
use msgrpc::tls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use msgrpc::tls::{ClientTls, Rejected, ServerTls, danger};
use msgrpc::{
    CallError, Client, CloseReason, ConnectError, Context, Pool, Reconnect, Server, transport,
};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose};
use support::{Bench, LabClient, LabService, Running, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tracing::Level;

const ANY: &str = "tls://127.0.0.1:0";

async fn run(tls: &ServerTls) -> Running {
    run_at(ANY, tls).await
}

async fn run_at(address: &str, tls: &ServerTls) -> Running {
    let server = Server::new(LabService::new(Bench::default())).tls(tls.clone());
    Running::start_at(server, address).await
}

/// Connects once, for tests of one connection.
async fn connect(address: &str, tls: &ClientTls) -> Result<Client, ConnectError> {
    Client::builder(address).tls(tls.clone()).connect().await
}

/// Why there is no connection: the text behind the address, and whether trying again may help.
async fn refusal(address: &str, tls: &ClientTls) -> (String, bool) {
    let once = Client::builder(address).tls(tls.clone()).reconnect(Reconnect::never());
    match once.connect().await.unwrap_err() {
        ConnectError::Dial(error) => {
            let text = error.to_string();
            let before = format!("could not connect to {address}: ");
            (text.strip_prefix(&before).unwrap().to_owned(), error.is_permanent())
        }
        other => panic!("{other}"),
    }
}

/// The address with another scheme, or another host.
fn other(address: &str, scheme: &str, host: &str) -> String {
    format!("{scheme}://{host}:{}", address.rsplit_once(':').unwrap().1)
}

#[tokio::test]
async fn no_default_of_the_process_is_used_for_cryptography() {
    let bed = Bed::mutual();
    let server = run(&bed.server).await;
    let tls = bed.client_with(&bed.authority.issue(certs::client("somebody")));
    let lab = LabClient::new(connect(&server.address, &tls).await.unwrap());
    assert_eq!(lab.add(20, 22).await.unwrap(), 42);
    danger::accept_any_certificate(ClientTls::builder()).load().unwrap();
    assert!(CryptoProvider::get_default().is_none(), "nor is one set");
}

// D1: one side speaks TLS and the other does not.

#[tokio::test]
async fn who_speaks_plainly_to_a_tls_port_is_told_on_both_sides() {
    let log = Log::begin();
    let bed = Bed::new();
    let server = run(&bed.server).await;
    let address = other(&server.address, "tcp", "127.0.0.1");
    let client = Client::connect(&address).await.unwrap();
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    let hint = "the peer answered with a TLS alert: its port speaks TLS; use a tls:// address";
    assert!(error.to_string().ends_with(hint), "{error}");
    let CallError::Closed(closed) = error else { panic!("{error}") };
    assert!(closed.reason().is_permanent());
    let hint = "the client does not speak TLS; it must use a tls:// address (received corrupt \
                message of type InvalidContentType)";
    assert_eq!(log.lines(Level::WARN, hint).len(), 1);
}

#[tokio::test]
async fn who_speaks_tls_to_a_plain_port_is_told_on_both_sides() {
    let log = Log::begin();
    let bed = Bed::new();
    let server =
        Running::start_at(Server::new(LabService::new(Bench::default())), "tcp://127.0.0.1:0");
    let server = server.await;
    let address = other(&server.address, "tls", "127.0.0.1");
    let (text, permanent) = refusal(&address, &bed.client).await;
    let hint = "the TLS handshake with \"127.0.0.1\" failed: the server closed the connection; does \
                it speak TLS? If not, use";
    assert_eq!(text, format!("{hint} {}", server.address));
    assert!(!permanent, "a server that is being stopped does the same");
    let hint = "the peer began a TLS handshake, but this port speaks plain MessagePack-RPC; use a \
                tcp:// address there, or listen on tls:// here";
    until("it is logged", || !log.lines(Level::DEBUG, hint).is_empty()).await;
}

#[tokio::test]
async fn a_server_that_greets_in_plain_text_does_not_speak_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"220 mail ready\r\n").await.unwrap();
        let _all = socket.read_to_end(&mut Vec::new()).await;
    });
    let (text, permanent) = refusal(&format!("tls://127.0.0.1:{port}"), &Bed::new().client).await;
    let hint = "received corrupt message of type InvalidContentType";
    let expected = format!("the server does not speak TLS; use tcp://127.0.0.1:{port} ({hint})");
    assert_eq!((text, permanent), (expected, true));
}

// D2: the server's certificate is not right.

/// What a client says of a server that shows `papers`, and whether that is permanent.
async fn said_of(host: &str, papers: &Papers, bed: &Bed) -> (String, bool) {
    let (certificate, key) = bed.files.papers("bad", papers);
    let server = run(&ServerTls::from_files(certificate, key).unwrap()).await;
    let log = Log::begin();
    let said = refusal(&other(&server.address, "tls", host), &bed.client).await;
    let hint = "the client rejected our certificate: received fatal alert:";
    until("the server logs it", || log.lines(Level::WARN, hint).len() == 1).await;
    said
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_by_name_and_reason() {
    let bed = Bed::new();
    let issue = |change: fn(&mut CertificateParams)| {
        let mut params = certs::server();
        change(&mut params);
        bed.authority.issue(params)
    };
    let unknown = "invalid peer certificate: UnknownIssuer. If its issuer is to be trusted, name \
                   it with ClientTls::from_ca_file";
    let advice = ". Use that name in the address, or ask for it with ClientTls::server_name";
    let cases = [
        ("self-signed", "localhost", Papers::self_signed(certs::server()), unknown.to_owned()),
        (
            "of an unknown authority",
            "localhost",
            Authority::new("stranger").issue(certs::server()),
            unknown.to_owned(),
        ),
        (
            "without the one that issued it",
            "localhost",
            bed.authority.below("middle").issue(certs::server()),
            unknown.to_owned(),
        ),
        (
            "of another host",
            "localhost",
            issue(|params| *params = named("server", ["other.example"])),
            format!(
                "invalid peer certificate: certificate not valid for name \"localhost\"; \
                 certificate is only valid for DnsName(\"other.example\"){advice}"
            ),
        ),
        (
            "without the address",
            "127.0.0.1",
            issue(|params| *params = named("server", ["localhost"])),
            format!(
                "invalid peer certificate: certificate not valid for name \"127.0.0.1\"; \
                 certificate is only valid for DnsName(\"localhost\"){advice}"
            ),
        ),
        (
            "for clients only",
            "localhost",
            issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            "invalid peer certificate: certificate does not allow extended key usage for server \
             authentication, allows client authentication"
                .to_owned(),
        ),
    ];
    for (what, host, papers, expected) in cases {
        let expected = format!("the TLS handshake with {host:?} failed: {expected}");
        assert_eq!(said_of(host, &papers, &bed).await, (expected, true), "{what}");
    }
}

#[tokio::test]
async fn a_certificate_is_refused_before_and_after_its_time() {
    let bed = Bed::new();
    let mut early = certs::server();
    early.not_before = rcgen::date_time_ymd(3000, 1, 1);
    let cases = [
        (certs::expired(certs::server()), "expired", "after 1009843200"),
        (early, "not valid yet", "before 32503680000"),
    ];
    for (params, what, when) in cases {
        let (text, permanent) = said_of("localhost", &bed.authority.issue(params), &bed).await;
        let begin = format!(
            "the TLS handshake with \"localhost\" failed: invalid peer certificate: certificate \
             {what}: verification time "
        );
        assert!(text.starts_with(&begin), "{text}");
        assert!(text.contains(&format!("certificate is not valid {when} (")), "{text}");
        assert!(permanent);
    }
}

#[tokio::test]
async fn a_chain_is_followed_to_an_authority_that_is_trusted() {
    let bed = Bed::new();
    let middle = bed.authority.below("middle");
    let own = middle.issue(certs::server());
    let chain = bed.files.write("chain.pem", own.pem.clone() + &middle.pem());
    let server = ServerTls::from_files(chain, bed.files.write("chain.key", own.key)).unwrap();
    let server = run(&server).await;
    let options = transport::DialOptions::default().tls(bed.client.clone());
    let stream = transport::dial(&server.address.parse().unwrap(), &options).await.unwrap();
    assert_eq!(stream.peer().certificates().len(), 2);
    assert_eq!(stream.peer().certificates()[0], own.der);
    assert_eq!(stream.peer().subject(), Some("CN=server"));
}

#[tokio::test]
async fn another_name_can_be_asked_for() {
    let bed = Bed::new();
    let papers = bed.authority.issue(named("server", ["db.internal"]));
    let (certificate, key) = bed.files.papers("named", &papers);
    let server = run(&ServerTls::from_files(certificate, key).unwrap()).await;
    let tls = bed.client.clone().server_name("db.internal").unwrap();
    connect(&server.address, &tls).await.unwrap();
    let error = bed.client.clone().server_name("no name").unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"no name\" is no server name; expected a host name or an address, such as db.example"
    );
}

#[tokio::test]
async fn anybody_is_accepted_only_by_who_asked_for_the_danger() {
    let bed = Bed::new();
    let papers = Papers::self_signed(certs::expired(named("anybody", ["elsewhere"])));
    let (certificate, key) = bed.files.papers("anybody", &papers);
    let server = run(&ServerTls::from_files(certificate, key).unwrap()).await;
    let tls = danger::accept_any_certificate(ClientTls::builder()).load().unwrap();
    connect(&server.address, &tls).await.unwrap();
    refusal(&server.address, &bed.client).await;
}

/// Runs itself again, in a process that has the authority among the system's.
#[tokio::test]
async fn by_default_whom_the_system_trusts_is_trusted() {
    const ADDRESS: &str = "MSGRPC_TEST_TLS_ADDRESS";
    let name = "by_default_whom_the_system_trusts_is_trusted";
    if let Ok(address) = std::env::var(ADDRESS) {
        let lab = LabClient::connect(&address).await.unwrap();
        assert_eq!(lab.add(20, 22).await.unwrap(), 42);
        return;
    }
    let bed = Bed::new();
    let server = run(&bed.server).await;
    refusal(&server.address, &ClientTls::default()).await;
    if !cfg!(target_os = "linux") {
        return;
    }
    let trusting = tokio::task::spawn_blocking(move || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(ADDRESS, &server.address)
            .env("SSL_CERT_FILE", bed.files.path("ca.pem"))
            .output()
            .unwrap()
    });
    let output = trusting.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

// D3: the client's certificate is not right.

fn client_of(
    version: &'static SupportedProtocolVersion,
    bed: &Bed,
    papers: Option<&Papers>,
) -> ClientTls {
    use msgrpc::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(bed.authority.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(certs::provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    ClientTls::from_config(Arc::new(match papers {
        None => builder.with_no_client_auth(),
        Some(papers) => {
            let key = PrivateKeyDer::from_pem_slice(papers.key.as_bytes()).unwrap();
            let chain = vec![CertificateDer::from(papers.der.clone())];
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    }))
}

#[tokio::test]
async fn a_client_learns_that_its_certificate_was_rejected_by_either_version() {
    let bed = Bed::mutual();
    let strange = Authority::new("stranger").issue(certs::client("spy"));
    let late = bed.authority.issue(certs::expired(certs::client("late")));
    let cases = [
        (
            None,
            "CertificateRequired; it lets nobody in without one: \
             ClientTls::builder().certificate(…)",
            "the client must show a certificate: peer sent no certificates",
        ),
        (
            Some(&strange),
            "UnknownCA",
            "the client's certificate was rejected: invalid peer certificate: UnknownIssuer",
        ),
        (
            Some(&late),
            "CertificateExpired",
            "the client's certificate was rejected: invalid peer certificate: certificate expired",
        ),
    ];
    for (papers, alert, seen) in cases {
        let expected =
            format!("the server rejected our client certificate: received fatal alert: {alert}");
        for version in [&TLS12, &TLS13] {
            let log = Log::begin();
            let server = run(&bed.server).await;
            let tls = client_of(version, &bed, papers);
            let said = match connect(&server.address, &tls).await {
                Err(ConnectError::Dial(error)) => {
                    assert_eq!(version.version, TLS12.version);
                    assert!(error.is_permanent());
                    error.to_string()
                }
                Err(other) => panic!("{other}"),
                // The handshake is done for this side; the server has not checked us yet.
                Ok(client) => rejected_at_the_first_call(&client).await,
            };
            assert!(said.ends_with(&expected), "{version:?}: {said}");
            assert_eq!(log.lines(Level::WARN, seen).len(), 1, "{version:?}");
            server.serves_nobody_without_papers(&bed).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_rejected_says_so_and_does_not_hurry() {
    let log = Log::begin();
    let bed = Bed::mutual();
    let server = run(&bed.server).await;
    let tls = bed.client_with(&Authority::new("stranger").issue(certs::client("spy")));
    let client = Client::builder(&server.address).tls(tls.clone()).connect().await.unwrap();
    rejected_at_the_first_call(&client).await;
    // Those that come later need not wait until all tries are over.
    let begun = Instant::now();
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    assert!(matches!(&error, CallError::NotConnected(_)) && !error.was_sent(), "{error}");
    let reason = "the server rejected our client certificate: received fatal alert: UnknownCA";
    assert!(error.to_string().ends_with(reason), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    sleep(Duration::from_secs(60)).await;
    let rejected = "the client's certificate was rejected";
    let times = log.lines(Level::WARN, rejected).len() + log.lines(Level::DEBUG, rejected).len();
    assert!((5..=12).contains(&times), "rejected {times} times in a minute");
    // With the right papers it gets in by itself.
    bed.client_with(&bed.authority.issue(certs::client("somebody")));
    tls.reload().unwrap();
    sleep(Duration::from_secs(13)).await;
    assert_eq!(LabClient::new(client).add(20, 22).await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_rejected_says_so_and_does_not_hurry() {
    let log = Log::begin();
    let bed = Bed::mutual();
    let server = run(&bed.server).await;
    let tls = bed.client.clone();
    let builder = Pool::builder(&server.address).max_size(2);
    let pool = builder.client(|client| client.tls(tls)).build_lazy().unwrap();
    let reason = "the server rejected our client certificate: received fatal alert: \
                  CertificateRequired";
    let mut said = 0;
    for _ in 0..10 {
        let error = pool.call::<i64>("add", (1, 2)).await.unwrap_err();
        said += usize::from(error.to_string().contains(reason));
    }
    assert!(said > 0, "it is said to some of those who call at least");
    let rejected = "the client must show a certificate";
    let times = || log.lines(Level::WARN, rejected).len() + log.lines(Level::DEBUG, rejected).len();
    let before = times();
    sleep(Duration::from_secs(60)).await;
    let times = times() - before;
    // Each of the two waits for 6 seconds, on average.
    assert!(times < 60, "rejected {times} times in a minute");
}

async fn rejected_at_the_first_call(client: &Client) -> String {
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    let CallError::Closed(closed) = &error else { panic!("{error}") };
    assert!(closed.reason().is_permanent());
    let CloseReason::Io(inner) = closed.reason() else { panic!("{error}") };
    assert!(inner.get_ref().unwrap().is::<Rejected>());
    error.to_string()
}

impl Running {
    /// One with the right certificate is served: those without harmed nobody else.
    async fn serves_nobody_without_papers(&self, bed: &Bed) {
        let tls = bed.client_with(&bed.authority.issue(certs::client("somebody")));
        let lab = LabClient::new(connect(&self.address, &tls).await.unwrap());
        assert_eq!(lab.add(20, 22).await.unwrap(), 42, "one with a right certificate is served");
    }
}

#[tokio::test]
async fn failed_handshakes_are_warned_of_once_a_minute() {
    let log = Log::begin();
    let bed = Bed::mutual();
    let server = run(&bed.server).await;
    for _ in 0..5 {
        let client = connect(&server.address, &bed.client).await.unwrap();
        rejected_at_the_first_call(&client).await;
    }
    let failed = "TLS handshake failed: the client must show a certificate";
    until("all are logged", || log.lines(Level::DEBUG, failed).len() == 4).await;
    assert_eq!(log.lines(Level::WARN, failed).len(), 1);
}

/// What the server knows of its caller.
#[msgrpc::service]
trait Doorman {
    async fn whoami(&self, ctx: &Context) -> (Option<String>, Vec<Vec<u8>>);
}

struct Door;

impl Doorman for Door {
    async fn whoami(&self, ctx: &Context) -> (Option<String>, Vec<Vec<u8>>) {
        let peer = ctx.peer();
        assert!(peer.socket_addr().is_some(), "the address is known as well");
        (peer.subject().map(str::to_owned), peer.certificates().to_vec())
    }
}

#[tokio::test]
async fn a_service_knows_the_subject_and_the_certificates_of_its_caller() {
    let bed = Bed::mutual();
    let server = Server::new(DoormanService::new(Door)).tls(bed.server.clone());
    let server = Running::start_at(server, ANY).await;
    let mut params = certs::client("Eve, CN=root\n\u{202e}\\");
    params.distinguished_name.push(DnType::OrganizationName, "Ümläut & Söhne");
    let papers = bed.authority.issue(params);
    let client = connect(&server.address, &bed.client_with(&papers)).await.unwrap();
    let (subject, certificates) = DoormanClient::new(client).whoami().await.unwrap();
    assert_eq!(
        subject.as_deref(),
        Some(r"CN=Eve\, CN\=root\0a\e2\80\ae\\, O=Ümläut & Söhne"),
        "what it says of itself cannot be taken for something else"
    );
    assert_eq!(certificates, [papers.der]);
}

#[tokio::test]
async fn certificates_may_be_left_to_the_client() {
    let bed = Bed::new();
    let (certificate, key) = (bed.files.path("server.pem"), bed.files.path("server.key"));
    let builder = ServerTls::builder(certificate, key).client_ca(bed.files.path("ca.pem"));
    let tls = builder.optional_client_certificate().load().unwrap();
    let server = Server::new(DoormanService::new(Door)).tls(tls);
    let server = Running::start_at(server, ANY).await;
    let client = connect(&server.address, &bed.client).await.unwrap();
    assert_eq!(DoormanClient::new(client).whoami().await.unwrap(), (None, vec![]));
    let papers = bed.authority.issue(certs::client("known"));
    let client = connect(&server.address, &bed.client_with(&papers)).await.unwrap();
    let (subject, _) = DoormanClient::new(client).whoami().await.unwrap();
    assert_eq!(subject.as_deref(), Some("CN=known"));
    let strange = Authority::new("stranger").issue(certs::client("spy"));
    let client = connect(&server.address, &bed.client_with(&strange)).await.unwrap();
    rejected_at_the_first_call(&client).await;
}
