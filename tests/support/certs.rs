//! Certificates for tests: authorities, what they issue, and files of them that go with the test.
#![allow(
    clippy::allow_attributes,
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part of what stands here, and fails by panicking"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use msgrpc::tls::rustls::crypto::CryptoProvider;
use msgrpc::tls::{ClientTls, ServerTls};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

/// One who issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(authority(name), key).unwrap())
    }

    /// One whose own certificate is issued by this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(authority(name), key, &self.0).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn issue(&self, params: CertificateParams) -> Papers {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Papers { pem, der, key: key.serialize_pem() }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name, []);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A certificate and its key.
pub(crate) struct Papers {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key: String,
}

impl Papers {
    /// One that nobody else has issued.
    pub(crate) fn self_signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Self { pem, der, key: key.serialize_pem() }
    }
}

/// A certificate of this subject that is valid for these names and addresses.
pub(crate) fn named<const N: usize>(subject: &str, names: [&str; N]) -> CertificateParams {
    let mut params = CertificateParams::new(names.map(str::to_owned)).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params
}

/// What our server shows, if all is well.
pub(crate) fn server() -> CertificateParams {
    let mut params = named("server", ["localhost", "127.0.0.1"]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// What our client shows, if all is well.
pub(crate) fn client(name: &str) -> CertificateParams {
    let mut params = named(name, []);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// The same, expired long ago.
pub(crate) fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    params
}

/// Files that are removed with the test.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("msgrpc-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and tells where it is.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a certificate and its key.
    pub(crate) fn papers(&self, name: &str, papers: &Papers) -> (PathBuf, PathBuf) {
        let certificate = self.write(&format!("{name}.pem"), &papers.pem);
        (certificate, self.write(&format!("{name}.key"), &papers.key))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// An authority, a server of its, and a client that trusts it; with their files.
pub(crate) struct Bed {
    pub(crate) files: Files,
    pub(crate) authority: Authority,
    pub(crate) papers: Papers,
    pub(crate) server: ServerTls,
    pub(crate) client: ClientTls,
}

impl Bed {
    /// A server that lets everybody in.
    pub(crate) fn new() -> Self {
        Self::with(Authority::new("authority"), false)
    }

    /// A server that wants certificates of the same authority.
    pub(crate) fn mutual() -> Self {
        Self::with(Authority::new("authority"), true)
    }

    fn with(authority: Authority, mutual: bool) -> Self {
        let (files, papers) = (Files::new(), authority.issue(server()));
        let ca = files.write("ca.pem", authority.pem());
        let (certificate, key) = files.papers("server", &papers);
        let builder = ServerTls::builder(certificate, key);
        let builder = if mutual { builder.client_ca(&ca) } else { builder };
        let (server, client) = (builder.load().unwrap(), ClientTls::from_ca_file(ca).unwrap());
        Self { files, authority, papers, server, client }
    }

    /// A client that trusts the authority and shows these papers.
    pub(crate) fn client_with(&self, papers: &Papers) -> ClientTls {
        let (certificate, key) = self.files.papers("client", papers);
        let builder = ClientTls::builder().ca_file(self.files.path("ca.pem"));
        builder.certificate(certificate, key).load().unwrap()
    }
}

/// The cryptography that is built in, for configurations of a test's own.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "tls-aws-lc")]
    return Arc::new(msgrpc::tls::rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(not(feature = "tls-aws-lc"))]
    Arc::new(msgrpc::tls::rustls::crypto::ring::default_provider())
}
