//! The site's own check, which is asked about each comment over HTTP.

use std::time::{Duration, Instant};

use hyper::{
    Method,
    body::Bytes,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use tokio::sync::Semaphore;
use url::Url;
use uuid::Uuid;

use super::{
    SetupError, Submission, check_request::CheckRequest, metrics::CheckMetrics, verdict::Verdict,
};
use crate::{
    config::{ModerationConfig, SigningSecret, Switch},
    model::Timestamp,
    outgoing::{Bounds, Endpoint, Reach, RequestError, Signer},
};

const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(2),
    bytes: 4 * 1024,
    idle_connections: 4,
};
/// Maximum number of requests under way. Further comments are held without one.
const MAX_UNDER_WAY: usize = 32;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The check at `CHECK_URL`.
#[derive(Debug)]
pub(super) struct Check {
    endpoint: Endpoint,
    signer: Signer,
    under_way: Semaphore,
    metrics: CheckMetrics,
}

/// The reason why a check has no verdict.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the response is no verdict")]
    NotVerdict,
}

impl Check {
    /// Creates the check, if one is set.
    pub(super) fn new(
        config: &ModerationConfig,
        metrics: CheckMetrics,
    ) -> Result<Option<Self>, SetupError> {
        let reach = match config.webhook_allow_private {
            Switch::On => Reach::All,
            Switch::Off => Reach::Public,
        };
        match (&config.check_url, &config.check_secret) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(SetupError::NoSecret),
            (None, Some(_)) => Err(SetupError::NoUrl),
            (Some(url), Some(secret)) => Self::at(url, secret, reach, metrics).map(Some),
        }
    }

    fn at(
        url: &Url,
        secret: &SigningSecret,
        reach: Reach,
        metrics: CheckMetrics,
    ) -> Result<Self, SetupError> {
        let endpoint = Endpoint::new(url.clone(), reach, BOUNDS);
        Ok(Self {
            endpoint: endpoint.map_err(SetupError::Roots)?,
            signer: Signer::new(secret),
            under_way: Semaphore::new(MAX_UNDER_WAY),
            metrics,
        })
    }

    /// Returns the verdict on a comment. It is to hold if there is none within two seconds, or at once if
    /// too many requests are under way.
    pub(super) async fn verdict(&self, submission: &Submission<'_>) -> Verdict {
        let Ok(_permit) = self.under_way.try_acquire() else {
            self.metrics.busy();
            return Verdict::Hold;
        };
        let begun = Instant::now();
        let verdict = self.ask(submission).await;
        if let Err(error) = &verdict {
            tracing::warn!(%error, "CHECK_URL gave no verdict: the comment is held");
        }
        let verdict = verdict.ok();
        self.metrics.asked(verdict, begun.elapsed());
        verdict.unwrap_or(Verdict::Hold)
    }

    async fn ask(&self, submission: &Submission<'_>) -> Result<Verdict, CheckError> {
        let body = serde_json::to_vec(&CheckRequest::from(submission));
        let body = Bytes::from(body.expect("texts and numbers are JSON"));
        let mut headers = self.signer.headers(Uuid::now_v7(), Timestamp::now(), &body);
        headers.extend([(ACCEPT, JSON), (CONTENT_TYPE, JSON)]);
        let response = self.endpoint.send(Method::POST, headers, body).await?;
        Verdict::parse(response.body()).ok_or(CheckError::NotVerdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Post, PostId, Seq, User},
        telemetry::Registry,
    };

    #[tokio::test]
    async fn comment_beyond_the_bound_is_held_and_counted() {
        let registry = Registry::new();
        let check = Check::at(
            &"http://localhost/".parse().unwrap(),
            &"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap(),
            Reach::Public,
            CheckMetrics::new(&registry),
        );
        let check = check.unwrap();
        let post = Post {
            id: PostId::parse("hello").unwrap(),
            title: "Hello".to_owned(),
            url: None,
            created_at: Timestamp(0),
            comment_count: 0,
            seq: Seq(0),
            version: 0,
            detail_version: 0,
            is_open: true,
            moderation: None,
            pinned: None,
            last_comment_at: None,
        };
        let submission = Submission {
            post: &post,
            author: &User::deleted(),
            body: "Hello!",
            parent: None,
            edited: None,
            address: None,
            user_agent: None,
            referrer: None,
        };
        let all = u32::try_from(MAX_UNDER_WAY).unwrap();
        let permits = check.under_way.try_acquire_many(all).unwrap();
        assert_eq!(check.verdict(&submission).await, Verdict::Hold);
        drop(permits);
        assert_eq!(check.verdict(&submission).await, Verdict::Hold);
        let counted = registry.render();
        for outcome in ["busy", "failed"] {
            let sample = format!("causerie_checks_total{{outcome=\"{outcome}\"}} 1");
            assert!(counted.contains(&sample), "{counted}");
        }
    }
}
