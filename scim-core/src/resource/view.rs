//! How the typed structs are made: one macro, so that reading, writing and describing them cannot disagree.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use smol_str::SmolStr;

use super::convert::ConvertError;
use super::{Object, Value};

/// A value inside an attribute: a text, a boolean, or one of the typed structs and enums.
pub(super) trait Leaf: Sized + JsonSchema {
    fn read(value: Value) -> Result<Self, ConvertError>;
    fn write(&self) -> Value;
}

impl Leaf for String {
    fn read(value: Value) -> Result<Self, ConvertError> {
        match value {
            Value::String(text) => Ok(text.into()),
            other => Err(ConvertError::expected("a string", &other)),
        }
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl Leaf for bool {
    fn read(value: Value) -> Result<Self, ConvertError> {
        match value {
            Value::Bool(flag) => Ok(flag),
            other => Err(ConvertError::expected("true or false", &other)),
        }
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }
}

/// A field of a typed struct: required, optional or a list.
pub(super) trait Field: Sized {
    const REQUIRED: bool;
    fn read(value: Option<Value>) -> Result<Self, ConvertError>;
    /// Whether [`write`](Self::write) gives a value.
    fn is_assigned(&self) -> bool;
    fn write(&self) -> Option<Value>;
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

impl Field for String {
    const REQUIRED: bool = true;

    fn read(value: Option<Value>) -> Result<Self, ConvertError> {
        match value {
            Some(value) => Leaf::read(value),
            None => Err(ConvertError::missing("")),
        }
    }

    fn is_assigned(&self) -> bool {
        true
    }

    fn write(&self) -> Option<Value> {
        Some(Leaf::write(self))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

impl<T: Leaf> Field for Option<T> {
    const REQUIRED: bool = false;

    fn read(value: Option<Value>) -> Result<Self, ConvertError> {
        value.map(T::read).transpose()
    }

    fn is_assigned(&self) -> bool {
        self.is_some()
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().map(T::write)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

impl<T: Leaf> Field for Vec<T> {
    const REQUIRED: bool = false;

    fn read(value: Option<Value>) -> Result<Self, ConvertError> {
        let items = match value {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(ConvertError::expected("an array", &other)),
        };
        let read = |(i, item)| T::read(item).map_err(|e| e.in_list(i));
        items.into_iter().enumerate().map(read).collect()
    }

    fn is_assigned(&self) -> bool {
        !self.is_empty()
    }

    fn write(&self) -> Option<Value> {
        (!self.is_empty()).then(|| Value::Array(self.iter().map(T::write).collect()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// Reads a field of this name; `null` counts as absent.
pub(super) fn read<T: Field>(value: Option<Value>, name: &str) -> Result<T, ConvertError> {
    let value = value.filter(|value| !matches!(value, Value::Null));
    T::read(value).map_err(|e| e.inside(name))
}

/// Puts a field into an object that has none of its name, unless it is unassigned.
pub(super) fn put<T: Field>(object: &mut Object, name: &'static str, field: &T) {
    if let Some(value) = field.write() {
        object.push_new(SmolStr::new_static(name), value);
    }
}

impl JsonSchema for Object {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Object".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// Defines a typed struct: `rule field "wire name": Type = setter`, where the rule is `must` (required, no setter),
/// `one` (optional) or `many` (a list; the setter appends).
macro_rules! view {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $( $(#[doc = $field_doc:literal])* $rule:ident $field:ident $wire:literal: $type:ty $(= $setter:ident)? ),*
            $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Default, PartialEq)]
        pub struct $name {
            $( $(#[doc = $field_doc])* pub $field: view!(@type $rule $type), )*
            /// Everything else that it came with, kept as it was.
            pub extra: $crate::resource::Object,
        }

        impl $name {
            $( view!(@setter $rule $field $wire $type $(, $setter)?); )*

            /// The attributes as an object.
            pub fn into_object(mut self) -> $crate::resource::Object {
                let extra = std::mem::take(&mut self.extra);
                self.object_with(extra)
            }

            /// The attributes as an object of its own.
            pub fn to_object(&self) -> $crate::resource::Object {
                self.object_with(self.extra.clone())
            }

            fn object_with(&self, extra: $crate::resource::Object) -> $crate::resource::Object {
                let fields = [$( $crate::resource::view::Field::is_assigned(&self.$field) ),*];
                let assigned = fields.into_iter().filter(|assigned| *assigned).count();
                let mut object = $crate::resource::Object::with_capacity(assigned + extra.len());
                $( $crate::resource::view::put(&mut object, $wire, &self.$field); )*
                for (name, value) in extra {
                    let known = [$($wire),*].iter().any(|wire| wire.eq_ignore_ascii_case(&name));
                    if !known {
                        object.push_new(name, value);
                    } else if !object.contains(&name) {
                        // Put there by hand; an assigned field would have won.
                        object.insert(&name, value);
                    }
                }
                object
            }
        }

        impl TryFrom<$crate::resource::Object> for $name {
            type Error = $crate::resource::ConvertError;

            fn try_from(object: $crate::resource::Object) -> Result<Self, Self::Error> {
                let names = [$($wire),*];
                let mut places = names.map(|_| $crate::resource::Value::Null);
                let extra = object.sort_out(&names, &mut places);
                // In the order of the fields, so that of several faults it is always the same one that is told.
                let mut places = places.into_iter();
                Ok(Self {
                    $( $field: $crate::resource::view::read(places.next(), $wire)?, )*
                    extra,
                })
            }
        }

        impl From<$name> for $crate::resource::Object {
            fn from(view: $name) -> Self {
                view.into_object()
            }
        }

        impl $crate::resource::view::Leaf for $name {
            fn read(value: $crate::resource::Value) -> Result<Self, $crate::resource::ConvertError> {
                match value {
                    $crate::resource::Value::Object(object) => object.try_into(),
                    other => Err($crate::resource::ConvertError::expected("an object", &other)),
                }
            }

            fn write(&self) -> $crate::resource::Value {
                self.to_object().into()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.to_object().serialize(serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let object = <$crate::resource::Object as serde::Deserialize>::deserialize(deserializer)?;
                object.try_into().map_err(serde::de::Error::custom)
            }
        }

        /// The attributes that are assigned; a password is not shown.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), " "))?;
                std::fmt::Debug::fmt(&self.to_object(), f)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($name)).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let mut field =
                        <view!(@type $rule $type) as $crate::resource::view::Field>::schema(generator);
                    field.insert("description".to_owned(), concat!($($field_doc),*).trim().into());
                    properties.insert($wire.to_owned(), field.into());
                    if <view!(@type $rule $type) as $crate::resource::view::Field>::REQUIRED {
                        required.push($wire);
                    }
                )*
                schemars::json_schema!({
                    "type": "object",
                    "description": concat!($($doc),*).trim(),
                    "properties": properties,
                    "required": required,
                })
            }
        }
    };

    (@type must $type:ty) => { $type };
    (@type one $type:ty) => { Option<$type> };
    (@type many $type:ty) => { Vec<$type> };

    (@setter must $field:ident $wire:literal $type:ty) => {};
    (@setter $rule:ident $field:ident $wire:literal $type:ty) => {};
    (@setter one $field:ident $wire:literal $type:ty, $setter:ident) => {
        #[doc = concat!("Sets `", $wire, "`.")]
        #[must_use]
        pub fn $setter(mut self, value: impl Into<$type>) -> Self {
            self.$field = Some(value.into());
            self
        }
    };
    (@setter many $field:ident $wire:literal $type:ty, $setter:ident) => {
        #[doc = concat!("Adds a value to `", $wire, "`.")]
        #[must_use]
        pub fn $setter(mut self, value: impl Into<$type>) -> Self {
            self.$field.push(value.into());
            self
        }
    };
}

/// Makes a typed struct a resource: conversions, extensions.
macro_rules! resource_view {
    ($name:ident) => {
        impl $name {
            /// The dynamic form.
            pub fn into_resource(self) -> $crate::resource::Resource {
                self.into_object().into()
            }

            /// Sets the data of an extension and names it in `schemas`.
            ///
            /// # Panics
            /// When the extension's `Serialize` fails; a derived one does so only for maps whose keys are no strings.
            #[must_use]
            pub fn with_extension<E: $crate::resource::Extension>(mut self, extension: E) -> Self {
                let data = $crate::resource::extension::into_object(&extension);
                self.extra.insert(E::URN, data);
                if !self.schemas.iter().any(|uri| uri.eq_ignore_ascii_case(E::URN)) {
                    self.schemas.push(E::URN.to_owned());
                }
                self
            }

            /// The data of an extension, if there is any.
            ///
            /// # Errors
            /// [`ConvertError`](crate::resource::ConvertError) when the data does not fit the type.
            pub fn extension<E: $crate::resource::Extension>(
                &self,
            ) -> Result<Option<E>, $crate::resource::ConvertError> {
                $crate::resource::extension::read(self.extra.get(E::URN))
            }
        }

        impl TryFrom<$crate::resource::Resource> for $name {
            type Error = $crate::resource::ConvertError;

            fn try_from(resource: $crate::resource::Resource) -> Result<Self, Self::Error> {
                resource.into_object().try_into()
            }
        }

        impl From<$name> for $crate::resource::Resource {
            fn from(view: $name) -> Self {
                view.into_resource()
            }
        }
    };
}

pub(super) use {resource_view, view};
