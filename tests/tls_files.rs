//! Files that TLS cannot use: the error names the file, what is wrong with it, and what was expected.
#![cfg(any(feature = "tls", feature = "tls-aws-lc"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/certs.rs"]
mod certs;
mod support;

use std::fs;
use std::path::Path;

use certs::{Authority, Bed, Files, Papers};
use msgrpc::tls::{ClientTls, ServerTls, TlsError, TlsFile};
use msgrpc::{Server, transport};
use support::{Bench, LabService};

const CERTIFICATE: &str = "PEM text with \"-----BEGIN CERTIFICATE-----\"";
const KEY: &str = "PEM text with \"-----BEGIN PRIVATE KEY-----\"";

/// What is said of a server's certificate and key, with the directory left out.
fn said_of(files: &Files, certificate: &str, key: &str) -> String {
    let paths = (files.path(certificate), files.path(key));
    without_directory(files, &ServerTls::from_files(paths.0, paths.1).unwrap_err())
}

fn without_directory(files: &Files, error: &TlsError) -> String {
    error.to_string().replace(&format!("{}/", files.path("").display()).replace("//", "/"), "")
}

/// A directory with a right certificate and key.
fn right() -> (Files, Authority, Papers) {
    let (files, authority) = (Files::new(), Authority::new("authority"));
    let papers = authority.issue(certs::server());
    files.papers("right", &papers);
    files.write("ca.pem", authority.pem());
    (files, authority, papers)
}

#[test]
fn files_that_are_not_there_or_empty_are_named() {
    let (files, ..) = right();
    files.write("empty", " \n");
    fs::create_dir(files.path("directory")).unwrap();
    let cases = [
        ("none", "right.key", "cannot read the certificate file none: there is no such file"),
        ("right.pem", "none", "cannot read the key file none: there is no such file"),
        ("directory", "right.key", "cannot read the certificate file directory: it is a directory"),
        (
            "empty",
            "right.key",
            &format!("the certificate file empty is empty; expected {CERTIFICATE}"),
        ),
        ("right.pem", "empty", &format!("the key file empty is empty; expected {KEY}")),
    ];
    for (certificate, key, expected) in cases {
        assert_eq!(said_of(&files, certificate, key), expected);
    }
}

#[test]
fn files_that_hold_something_else_say_what_they_hold() {
    let (files, _, papers) = right();
    files.write("text", "Dear server,\n");
    files.write("der", &papers.der);
    files.write("cut.pem", &papers.pem.as_bytes()[..papers.pem.len() / 2]);
    files.write("broken.key", papers.key.replace("MI", "§§"));
    let cases = [
        (
            "text",
            "right.key",
            format!("the certificate file text holds no certificate; expected {CERTIFICATE}"),
        ),
        (
            "der",
            "right.key",
            format!(
                "the certificate file der holds no certificate, but what looks like DER; expected \
                 {CERTIFICATE}"
            ),
        ),
        (
            "right.key",
            "right.key",
            format!(
                "the certificate file right.key holds no certificate, but: PRIVATE KEY; expected \
                 {CERTIFICATE}"
            ),
        ),
        (
            "right.pem",
            "right.pem",
            format!(
                "the key file right.pem holds no private key, but: CERTIFICATE; expected {KEY}"
            ),
        ),
        (
            "cut.pem",
            "right.key",
            format!(
                "the certificate file cut.pem is damaged: \"-----END CERTIFICATE-----\" is missing; \
                 expected {CERTIFICATE}"
            ),
        ),
        (
            "right.pem",
            "broken.key",
            format!(
                "the key file broken.key is damaged: what is between its lines is not Base64; \
                 expected {KEY}"
            ),
        ),
    ];
    for (certificate, key, expected) in cases {
        assert_eq!(said_of(&files, certificate, key), expected);
    }
}

#[test]
fn an_encrypted_key_is_not_asked_a_password_for() {
    let (files, ..) = right();
    let of_today = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkq\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let of_old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A\n\n\
                  MIIBvTBXBgkq\n-----END RSA PRIVATE KEY-----\n";
    for text in [of_today, of_old] {
        let path = files.write("secret", text);
        let error = ServerTls::from_files(files.path("right.pem"), &path).unwrap_err();
        let path = path.display();
        assert_eq!(
            error.to_string(),
            format!(
                "the key in {path} is encrypted, and nobody is here to give its password; expected \
                 a key in the clear, as `openssl pkey -in {path} -out plain.key` writes it"
            )
        );
    }
}

#[test]
fn a_key_must_be_that_of_the_first_certificate() {
    let (files, authority, papers) = right();
    let stranger = authority.issue(certs::server());
    files.write("stranger.key", stranger.key);
    files.write("reversed.pem", authority.pem() + &papers.pem);
    let cases = [
        (
            "right.pem",
            "stranger.key",
            "the key in stranger.key does not belong to the certificate in right.pem; expected the \
             key that the first certificate there was made for",
        ),
        (
            "reversed.pem",
            "right.key",
            "the certificates in reversed.pem are in the wrong order: the key in right.key belongs \
             to number 2; expected its certificate first, then those of its issuers",
        ),
    ];
    for (certificate, key, expected) in cases {
        assert_eq!(said_of(&files, certificate, key), expected);
    }
}

#[test]
fn what_rustls_cannot_use_is_named() {
    let (files, ..) = right();
    files.write("odd.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    files.write("odd.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let odd = said_of(&files, "odd.pem", "right.key");
    assert!(odd.starts_with("the certificate in odd.pem cannot be used: "), "{odd}");
    let odd = said_of(&files, "right.pem", "odd.key");
    assert!(odd.starts_with("the private key in odd.key cannot be used: "), "{odd}");
}

#[test]
fn a_key_may_stand_beside_its_certificate() {
    let (files, _, papers) = right();
    for (name, text) in [("1", papers.pem.clone() + &papers.key), ("2", papers.key + &papers.pem)] {
        let path = files.write(name, text);
        ServerTls::from_files(&path, &path).unwrap();
    }
}

#[test]
fn files_of_authorities_are_named_on_both_sides() {
    let (files, ..) = right();
    let builder = ServerTls::builder(files.path("right.pem"), files.path("right.key"));
    let error = builder.client_ca(files.path("ca.pem")).client_ca(files.path("none")).load();
    let expected = "cannot read the CA file none: there is no such file";
    assert_eq!(without_directory(&files, &error.unwrap_err()), expected);
    let error = ClientTls::from_ca_file(files.path("right.key")).unwrap_err();
    assert!(matches!(&error, TlsError::Missing { file: TlsFile::Authority, .. }), "{error}");
    let expected = format!(
        "the CA file right.key holds no certificate, but: PRIVATE KEY; expected {CERTIFICATE}"
    );
    assert_eq!(without_directory(&files, &error), expected);
    let error = ClientTls::builder().certificate(files.path("right.pem"), Path::new("none")).load();
    let expected = "cannot read the key file none: there is no such file";
    assert_eq!(without_directory(&files, &error.unwrap_err()), expected);
}

#[tokio::test]
async fn a_server_without_a_certificate_says_how_to_give_one() {
    let server = Server::new(LabService::new(Bench::default())).listen("tls://127.0.0.1:0");
    assert_eq!(
        server.bind().await.unwrap_err().to_string(),
        "cannot listen on tls://127.0.0.1:0: no certificate is set; give it one, such as \
         .tls(ServerTls::from_files(\"server.pem\", \"server.key\")?)"
    );
}

#[test]
fn settings_print_no_key() {
    let bed = Bed::mutual();
    let client = bed.client_with(&bed.papers);
    let options = transport::DialOptions::default().tls(client.clone());
    let printed = format!("{:?} {client:?} {options:?}", bed.server);
    assert!(printed.contains("client.key") && !printed.contains("BEGIN"), "{printed}");
}
