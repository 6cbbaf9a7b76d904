//! The OpenAPI document: general parts here, each path beside its handler.

use std::collections::BTreeMap;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify};
use wire::http::{Conflict, Detection, FieldError, Problem};

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An edge's key or a person's token; `Token <key>` is taken too"))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The general parts.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "parkmesh", description = "One central of a mesh of car parks: lanes, staff, history. The paths without /v1 are aliases. \
        Times are RFC 3339 with an offset, money is integer VND, absent values are null. Unknown fields of bodies and unknown query \
        parameters are ignored."),
    components(schemas(Problem, FieldError, Detection, Conflict)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
pub(crate) struct General;

fn problem(codes: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
    RefOr::T(ResponseBuilder::new().description(codes).content("application/problem+json", content).build())
}

/// Problems any path may answer with.
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [
            ("400", "`malformed_json`"),
            ("401", "`unauthenticated`"),
            ("403", "`forbidden`, `edge_mismatch`"),
            ("404", "`unknown_…`, `nothing_pending`"),
            ("413", "`too_large`"),
            ("415", "`unsupported_media_type`"),
            ("422", "`invalid_fields`: every fault in `errors`"),
            ("429", "`rate_limited`"),
            ("503", "`no_ledger`, `no_mesh`, `no_sync`, `busy`"),
        ]
        .into_iter()
        .map(|(status, codes)| (status.to_owned(), problem(codes)))
        .collect()
    }
}

/// 503 with what the lane does now.
pub(crate) struct LedgerAway;

impl IntoResponses for LedgerAway {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let text =
            "`no_ledger`, with `decision`, `barrier` and `recorded: false` from the lane's `on_no_ledger`";
        [("503".to_owned(), problem(text))].into()
    }
}

/// 409 of a range that is not lost.
pub(crate) struct RangeConflict;

impl IntoResponses for RangeConflict {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("409".to_owned(), problem("`range_held`, `range_not_missing`: nothing was recorded"))].into()
    }
}

/// 409 of a configuration that comes from outside.
pub(crate) struct ManagedOutside;

impl IntoResponses for ManagedOutside {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("409".to_owned(), problem("`config_managed_externally`: nothing was applied"))].into()
    }
}
