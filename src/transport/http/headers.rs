//! What browsers are told to refuse, for whatever is served here.

use axum::{
    http::{
        HeaderName, HeaderValue,
        header::{
            CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    response::Response,
};

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// An answer that is shown to nobody, and is nothing to load into a page but by `fetch`.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Adds to an answer of the API what keeps a browser from taking it for anything else.
pub(crate) async fn of_api(mut response: Response) -> Response {
    add(&mut response, NO_PAGE);
    response
}

/// Adds to a page, or a file of one, what it may do: what this policy says, alone in its window, and
/// without any of the device.
pub(crate) fn of_page(mut response: Response, policy: &'static str) -> Response {
    add(&mut response, HeaderValue::from_static(policy));
    let headers = response.headers_mut();
    headers.insert(COOP, HeaderValue::from_static("same-origin"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let device = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static(device));
    response
}

fn add(response: &mut Response, policy: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CORP, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
