//! The OpenAPI document: general parts here, each path beside its handler.

use std::collections::BTreeMap;

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Header, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify};
use wire::http::{BatchItem, Conflict, Detection, FieldError, Problem};

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
    components(schemas(Problem, FieldError, Detection, Conflict, BatchItem)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
pub(crate) struct General;

fn problem(codes: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
    RefOr::T(ResponseBuilder::new().description(codes).content("application/problem+json", content).build())
}

/// What any path may answer; where it stands open to anyone, what is marked so.
const EVERYWHERE: [(&str, &str, bool); 11] = [
    ("400", "`malformed_json`, `malformed_body`", false),
    ("401", "`unauthenticated`", false),
    ("403", "`forbidden`, `edge_mismatch`", false),
    ("404", "`unknown_…`, `nothing_pending`", false),
    ("405", "`method_not_allowed`", true),
    ("408", "`request_timeout`", false),
    ("413", "`too_large`", false),
    ("415", "`unsupported_media_type`", false),
    ("422", "`invalid_fields`: every fault in `errors`", false),
    ("429", "`rate_limited`", true),
    ("503", "`no_ledger`, `no_mesh`, `no_sync`, `busy`", true),
];

/// Problems any path may answer with.
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        EVERYWHERE.iter().map(|(status, codes, _)| ((*status).to_owned(), problem(codes))).collect()
    }
}

/// The header a status always has.
fn header_of(status: &str) -> Option<(&'static str, &'static str, Type)> {
    match status {
        "401" => Some(("WWW-Authenticate", "How to say who asks", Type::String)),
        "405" => Some(("Allow", "The methods this path takes", Type::String)),
        "429" | "503" => Some(("Retry-After", "Seconds to wait", Type::Integer)),
        _ => None,
    }
}

/// Adds what every path has in common: answers of the door, of the guard, of the router; their headers; no security where none is
/// asked for.
pub(crate) fn complete(openapi: &mut OpenApi, is_public: impl Fn(&str) -> bool) {
    for (path, item) in &mut openapi.paths.paths {
        let public = is_public(path);
        let methods = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in methods.into_iter().flatten() {
            let all = &mut operation.responses.responses;
            for (status, codes, _) in EVERYWHERE.iter().filter(|(_, _, open)| *open || !public) {
                all.entry((*status).to_owned()).or_insert_with(|| problem(codes));
            }
            for (status, response) in all {
                // `/readyz` says with 503 what is missing, and no time is known.
                let problem = |r: &Response| r.content.contains_key("application/problem+json");
                if let (Some((name, help, of_type)), RefOr::T(response)) = (header_of(status), response)
                    && problem(response)
                {
                    let schema = ObjectBuilder::new().schema_type(of_type).build();
                    let mut header = Header::new(schema);
                    header.description = Some(help.to_owned());
                    response.headers.insert(name.to_owned(), header.into());
                }
            }
            if public {
                operation.security = Some(vec![SecurityRequirement::default()]);
            }
        }
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

/// 409 of one token or key too many.
pub(crate) struct TooManyKeys;

impl IntoResponses for TooManyKeys {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("409".to_owned(), problem("`too_many_keys`: nothing was made"))].into()
    }
}

/// 409 of a range that is not lost.
pub(crate) struct RangeConflict;

impl IntoResponses for RangeConflict {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("409".to_owned(), problem("`range_held`, `range_not_missing`: nothing was recorded"))].into()
    }
}

/// 409 of what is not in a state for it.
pub(crate) struct WrongState;

impl IntoResponses for WrongState {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let text = "`wrong_state`, `no_rate_table` and the like: it is not in a state for this, nothing was recorded";
        [("409".to_owned(), problem(text))].into()
    }
}

/// 409 of passes that come from outside.
pub(crate) struct PassesManagedOutside;

impl IntoResponses for PassesManagedOutside {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("409".to_owned(), problem("`passes_managed_externally`: nothing was recorded"))].into()
    }
}

/// 409 of a configuration that comes from outside.
pub(crate) struct ManagedOutside;

impl IntoResponses for ManagedOutside {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("409".to_owned(), problem("`config_managed_externally`: nothing was applied"))].into()
    }
}
