//! A host site that signs with its own keys and publishes the public ones over HTTP.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use p256::elliptic_curve::rand_core::OsRng;
use rsa::pkcs1::EncodeRsaPrivateKey;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::within;

/// A key pair with an id.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) signing: EncodingKey,
    public: Value,
}

impl Key {
    /// Generates an RSA key of 2048 bits, for RS256.
    pub(crate) fn rsa(id: &str) -> Self {
        let key = rsa::RsaPrivateKey::new(&mut OsRng, 2048).expect("a key");
        let der = key.to_pkcs1_der().expect("DER");
        Self::new(
            id,
            Algorithm::RS256,
            EncodingKey::from_rsa_der(der.as_bytes()),
        )
    }

    /// Generates a P-256 key, for ES256.
    pub(crate) fn p256(id: &str) -> Self {
        let der = p256::SecretKey::random(&mut OsRng).to_pkcs8_der();
        let signing = EncodingKey::from_ec_der(der.expect("DER").as_bytes());
        Self::new(id, Algorithm::ES256, signing)
    }

    /// Generates an Ed25519 key, for EdDSA.
    pub(crate) fn ed25519(id: &str) -> Self {
        let key = ed25519_dalek::SigningKey::generate(&mut OsRng);
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let der = key.to_pkcs8_der().expect("DER");
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::EdDSA,
            signing: EncodingKey::from_ed_der(der.as_bytes()),
            public: json!({"kty": "OKP", "crv": "Ed25519", "x": x}),
        }
    }

    fn new(id: &str, algorithm: Algorithm, signing: EncodingKey) -> Self {
        let public = Jwk::from_encoding_key(&signing, algorithm).expect("a JWK");
        Self {
            id: id.to_owned(),
            algorithm,
            signing,
            public: serde_json::to_value(public).expect("JSON"),
        }
    }

    /// Returns the public key as a JWK.
    pub(crate) fn public(&self) -> Value {
        let mut key = self.public.clone();
        key["kid"] = json!(self.id);
        key["use"] = json!("sig");
        key
    }

    /// Returns a header that names this key and its algorithm.
    pub(crate) fn header(&self) -> Header {
        Header {
            kid: Some(self.id.clone()),
            ..Header::new(self.algorithm)
        }
    }

    /// Signs these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(), claims, &self.signing).expect("a token")
    }
}

/// The host site's response to a request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// This JSON.
    Json(Value),
    /// This text.
    Text(String),
    /// This status, with JSON as the body.
    Status(StatusCode, Value),
    /// A redirect to an address.
    Redirect(String),
    /// No response, on a connection that stays open.
    Never,
}

struct Site {
    behaviour: watch::Sender<Behaviour>,
    requests: watch::Sender<u64>,
}

/// The host site. Dropping it takes it off the network.
pub(crate) struct Issuer {
    address: SocketAddr,
    site: Arc<Site>,
    serving: JoinHandle<()>,
}

impl Issuer {
    /// Starts a site that publishes these keys.
    pub(crate) async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::start_on(listener, keys)
    }

    /// Starts a site on a listener that was bound before.
    pub(crate) fn start_on(listener: TcpListener, keys: &[&Key]) -> Self {
        let site = Arc::new(Site {
            behaviour: watch::Sender::new(Behaviour::Json(set(keys))),
            requests: watch::Sender::default(),
        });
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .route("/keys", get(answer))
            .with_state(Arc::clone(&site));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("served");
        });
        Self {
            address,
            site,
            serving,
        }
    }

    /// Returns the setting with the URL of the keys.
    pub(crate) fn setting(&self) -> String {
        format!("--jwks=http://{}/keys", self.address)
    }

    pub(crate) fn publish(&self, keys: &[&Key]) {
        self.behave(Behaviour::Json(set(keys)));
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.site.behaviour.send_replace(behaviour);
    }

    /// Returns the number of requests so far.
    pub(crate) fn requests(&self) -> u64 {
        *self.site.requests.borrow()
    }

    /// Waits until there were `times` requests.
    pub(crate) async fn wait_for_requests(&self, times: u64) {
        let mut requests = self.site.requests.subscribe();
        let asked = requests.wait_for(|requests| *requests >= times);
        within("the keys are asked for", asked)
            .await
            .expect("a count");
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Returns the JWK set of these keys.
pub(crate) fn set(keys: &[&Key]) -> Value {
    json!({"keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>()})
}

async fn answer(State(site): State<Arc<Site>>) -> Response {
    site.requests.send_modify(|requests| *requests += 1);
    let behaviour = site.behaviour.borrow().clone();
    match behaviour {
        Behaviour::Json(keys) => keys.to_string().into_response(),
        Behaviour::Text(text) => text.into_response(),
        Behaviour::Status(status, keys) => (status, keys.to_string()).into_response(),
        Behaviour::Redirect(to) => (StatusCode::FOUND, [(LOCATION, to)]).into_response(),
        Behaviour::Never => std::future::pending().await,
    }
}
