//! Reserved paths: answered 501 `not_yet`, so that clients can tell them from typing errors.

use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Paths};
use utoipa::openapi::{Ref, RefOr, ResponseBuilder};

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::problem::{Answer, Refused};
use crate::router::Routes;

/// Reserved paths: methods, path, tag, summary.
const RESERVED: &[(&[Method], &str, &str, &str)] = &[
    (&[Method::GET, Method::POST], "/parking/payments", "money", "Payments"),
    (&[Method::GET, Method::POST], "/parking/shifts", "money", "Shifts of staff"),
    (&[Method::GET], "/parking/reports/reconciliation", "money", "Reconciliation"),
    (&[Method::GET, Method::POST], "/parking/erasures", "staff", "Erasure of personal data"),
];

async fn for_people(caller: Caller) -> Answer {
    caller.must_be_person()?;
    Err(Refused::new("not_yet", "this path is reserved for a later release"))
}

fn method(m: &Method) -> (MethodFilter, HttpMethod) {
    if *m == Method::POST {
        (MethodFilter::POST, HttpMethod::Post)
    } else {
        (MethodFilter::GET, HttpMethod::Get)
    }
}

fn operation(tag: &str, summary: &str) -> Operation {
    let response = ResponseBuilder::new()
        .description("`not_yet`: reserved for a later release")
        .content(
            "application/problem+json",
            utoipa::openapi::ContentBuilder::new()
                .schema(Some(RefOr::Ref(Ref::from_schema_name("Problem"))))
                .build(),
        )
        .build();
    OperationBuilder::new()
        .tag(tag)
        .summary(Some(summary))
        .description(Some("Reserved for a later release."))
        .response("501", response)
        .build()
}

/// Routes and documentation of the reserved paths.
pub(crate) fn add<R: Routes>(router: R) -> R {
    RESERVED.iter().fold(router, |router, (methods, path, tag, summary)| {
        let mut route: MethodRouter<Gateway> = MethodRouter::new();
        let mut paths = Paths::new();
        for m in *methods {
            let (filter, documented) = method(m);
            route = route.merge(on(filter, for_people));
            paths.add_path_operation(*path, vec![documented], operation(tag, summary));
        }
        router.routes((Vec::new(), paths, route))
    })
}
