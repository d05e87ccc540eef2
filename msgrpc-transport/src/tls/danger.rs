//! What makes TLS worthless against whoever is between the two ends.
//!
//! For tests, and for a first look at a server whose certificate is not at hand. Nothing else leads here.

use std::sync::Arc;

use super::{
    ClientTlsBuilder,
    rustls::{
        self, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

/// Trusts any server: whatever its certificate says, whoever issued it, whether it is valid or not.
///
/// Bytes are encrypted, but nobody knows for whom. That the server has the key of its certificate is still checked.
///
/// # Examples
///
/// ```
/// use msgrpc_transport::tls::{ClientTls, danger};
///
/// let tls = danger::accept_any_certificate(ClientTls::builder()).load()?;
/// # Ok::<(), msgrpc_transport::tls::TlsError>(())
/// ```
pub fn accept_any_certificate(builder: ClientTlsBuilder) -> ClientTlsBuilder {
    builder.trust_anybody()
}

/// Accepts every certificate.
#[derive(Debug)]
pub(super) struct AnyCertificate(Arc<CryptoProvider>);

impl AnyCertificate {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
