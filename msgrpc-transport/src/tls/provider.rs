//! Whose cryptography is used: aws-lc where it is built in, else ring.
//!
//! Used by all settings. rustls would take the process's default, which may not be there, or be two: it panics then.

use std::sync::Arc;

use super::rustls::crypto::CryptoProvider;
#[cfg(feature = "tls-aws-lc")]
use super::rustls::crypto::aws_lc_rs as chosen;
#[cfg(not(feature = "tls-aws-lc"))]
use super::rustls::crypto::ring as chosen;

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(chosen::default_provider())
}
