//! Signatures of requests, as Standard Webhooks 1.0.0 defines them (scheme `v1`).

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use uuid::Uuid;

use crate::{config::SigningSecret, model::Timestamp};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Signs requests with a secret that the receiver knows.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// Creates a signer.
    pub fn new(secret: &SigningSecret) -> Self {
        let keyed = Hmac::new_from_slice(secret.reveal());
        Self(keyed.expect("a key may have any length"))
    }

    /// Returns the headers of a request with this body. `id` stays the same if the request is repeated.
    pub fn headers(&self, id: Uuid, at: Timestamp, body: &[u8]) -> HeaderMap {
        let (id, at) = (
            format!("msg_{}", id.simple()),
            at.unix_seconds().to_string(),
        );
        let signature = self.signature(&id, &at, body);
        let values = [
            (WEBHOOK_ID, id),
            (WEBHOOK_TIMESTAMP, at),
            (WEBHOOK_SIGNATURE, signature),
        ];
        let values = values.map(|(name, value)| {
            let value = HeaderValue::try_from(value);
            (name, value.expect("letters, digits and signs of ASCII"))
        });
        HeaderMap::from_iter(values)
    }

    fn signature(&self, id: &str, at: &str, body: &[u8]) -> String {
        let signed = self.0.clone();
        let signed = signed
            .chain_update(format!("{id}.{at}."))
            .chain_update(body);
        format!("v1,{}", STANDARD.encode(signed.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signer() -> Signer {
        Signer::new(&SECRET.parse().unwrap())
    }

    /// The example of the reference libraries.
    #[test]
    fn signature_matches_the_reference_libraries() {
        let body = br#"{"test": 2432232314}"#;
        let signature = signer().signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn headers_carry_what_is_signed() {
        let headers = signer().headers(Uuid::nil(), Timestamp(1_614_265_330_999), b"{}");
        let id = format!("msg_{}", "0".repeat(32));
        assert_eq!(headers["webhook-id"], id);
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        let signature = signer().signature(&id, "1614265330", b"{}");
        assert_eq!(headers["webhook-signature"], signature);
    }
}
