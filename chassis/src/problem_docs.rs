//! Problems as OpenAPI documents show them: one schema, and the sets that most
//! operations share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// An error (RFC 9457). Some have members of their own besides.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:accrue:problem:invalid_request",
    "title": "Bad Request",
    "status": 400,
    "code": "invalid_request",
    "detail": "credits must be a whole number from 1 to 9007199254740991.",
    "errors": [{"pointer": "/credits", "code": "out_of_range",
                "detail": "credits must be a whole number from 1 to 9007199254740991."}],
}))]
pub struct ProblemBody {
    /// A URI of the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// A stable word for programs.
    pub code: String,
    /// What to do, for people.
    pub detail: String,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<ProblemField>>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemField {
    /// Where it is: a JSON pointer, empty for what is no body.
    pub pointer: String,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
        .into()
}

/// A set of responses for the `responses(…)` of an operation.
macro_rules! problem_set {
    ($(#[$doc:meta])* $name:ident { $($status:literal => $description:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(($status.to_owned(), problem($description))),+])
            }
        }
    };
}

problem_set! {
    /// What every operation may answer.
    AnyProblem {
        "400" => "The request cannot be read.",
        "500" => "Something failed on our side; it is logged under the Request-Id.",
        "503" => "Overloaded, or a database is out of reach; `Retry-After` says when to try again.",
    }
}

problem_set! {
    /// What an operation may answer that takes a body.
    BodyProblem {
        "413" => "The body is too large.",
        "415" => "The body has another content type than this operation takes.",
    }
}

problem_set! {
    /// What an operation may answer that asks for a token.
    TokenProblem {
        "401" => "There is no access token, or it is not valid; `WWW-Authenticate` says more.",
        "403" => "The token does not allow this.",
    }
}

problem_set! {
    /// What an operation may answer where something may not be there.
    NotFoundProblem {
        "404" => "There is no such thing, or it is another's.",
    }
}

problem_set! {
    /// What an operation may answer that is limited in number.
    LimitProblem {
        "429" => "Too many tries; `Retry-After` says when the next one is admitted.",
    }
}
