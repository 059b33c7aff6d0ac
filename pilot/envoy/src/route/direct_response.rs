//! `directResponse`: answers in place of the destination.

use crate::envoy::core::DataSource;
use crate::envoy::core::data_source::Specifier;
use crate::envoy::route::DirectResponseAction;
use mesh_model::DirectResponse;

/// The answer that the block describes.
pub(super) fn build_direct_response(response: &DirectResponse) -> DirectResponseAction {
    let DirectResponse { status, body } = response;
    DirectResponseAction {
        body: (!body.is_empty())
            .then(|| DataSource { specifier: Some(build_body(body)), ..Default::default() }),
        ..build_status((*status).into())
    }
}

/// An answer without a body.
pub(super) fn build_status(status: u32) -> DirectResponseAction {
    DirectResponseAction { status, ..Default::default() }
}

/// As text if it is text, which people who read a configuration dump prefer.
fn build_body(body: &[u8]) -> Specifier {
    match std::str::from_utf8(body) {
        Ok(text) => Specifier::InlineString(text.to_owned()),
        Err(_) => Specifier::InlineBytes(bytes::Bytes::copy_from_slice(body)),
    }
}
