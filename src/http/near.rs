//! What is near: a point, and how far from it something may be on the globe.

use super::error::ApiError;
use super::params::Params;
use crate::records::Place;

/// Kilometres where the client names no number, and the most that it gets: a small country around.
const KM_DEFAULT: u32 = 25;
const KM_MAX: u32 = 1_000;

/// The mean radius of the earth. It is no sphere; what is measured on one is wrong by half a percent at most.
const EARTH_KM: f64 = 6_371.008_8;

/// Everything within some distance of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Circle {
    latitude: f64,
    longitude: f64,
    within_km: u32,
}

impl Circle {
    /// Reads `near` and `withinKm`.
    pub(super) fn of(params: &Params) -> Result<Option<Self>, ApiError> {
        let within_km = params.integer("withinKm", 1..=KM_MAX)?.unwrap_or(KM_DEFAULT);
        let Some(text) = params.optional("near")? else { return Ok(None) };
        let bad = ApiError::BadParameter {
            name: "near",
            expected: "`latitude,longitude` in degrees, as in `52.52,13.4`",
        };
        let point = text.split_once(',').and_then(|(latitude, longitude)| Place::point(latitude, longitude));
        let (latitude, longitude) = point.and_then(Place::degrees).ok_or(bad)?;
        Ok(Some(Self { latitude, longitude, within_km }))
    }

    /// How far something may be, as text.
    pub(super) fn within(&self) -> String {
        self.within_km.to_string()
    }

    /// Whether a place is in it.
    pub(super) fn has(&self, place: Place) -> bool {
        let distance = place.degrees().map(|place| kilometres((self.latitude, self.longitude), place));
        distance.is_some_and(|distance| distance <= f64::from(self.within_km))
    }
}

/// The length of the shortest way over the sphere between two points in degrees.
fn kilometres((latitude, longitude): (f64, f64), (other_latitude, other_longitude): (f64, f64)) -> f64 {
    let (here, there) = (latitude.to_radians(), other_latitude.to_radians());
    let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
    let chord = half(here, there)
        + here.cos() * there.cos() * half(longitude.to_radians(), other_longitude.to_radians());
    // Rounding may carry what is on the other side of the earth beyond it.
    2.0 * EARTH_KM * chord.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::{Circle, EARTH_KM, KM_DEFAULT, kilometres};
    use crate::http::params::Params;
    use crate::records::Place;

    fn circle(raw: &str) -> Option<Circle> {
        Circle::of(&Params::parse(Some(raw)).unwrap()).unwrap()
    }

    #[test]
    fn a_distance_is_that_of_the_shortest_way_over_the_globe() {
        let half = EARTH_KM * std::f64::consts::PI;
        let degree = half / 180.0;
        for (from, to, expected) in [
            ((0.0, 0.0), (0.0, 0.0), 0.0),
            ((0.0, 0.0), (0.0, 1.0), degree),
            ((0.0, 0.0), (-1.0, 0.0), degree),
            // Over the date line.
            ((0.0, 179.5), (0.0, -179.5), degree),
            ((10.0, 180.0), (10.0, -180.0), 0.0),
            // At a pole every longitude is the same point.
            ((90.0, 0.0), (90.0, 123.0), 0.0),
            ((-90.0, -180.0), (-90.0, 17.0), 0.0),
            // Over the pole.
            ((89.5, 0.0), (89.5, 180.0), degree),
            ((90.0, 0.0), (-90.0, 0.0), half),
            ((0.0, 0.0), (0.0, 180.0), half),
            ((12.3, -167.8), (-12.3, 12.2), half),
            // Berlin and Hamburg.
            ((52.52, 13.405), (53.5511, 9.9937), 255.2),
        ] {
            for (from, to) in [(from, to), (to, from)] {
                let found = kilometres(from, to);
                assert!((found - expected).abs() < 0.5, "{from:?} {to:?}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn a_circle_is_a_point_and_a_number_that_is_brought_into_its_range() {
        for (raw, km) in [
            ("near=1,2", KM_DEFAULT),
            ("near=1,2&withinKm=7", 7),
            ("near=1,2&withinKm=0", 1),
            ("near=1,2&withinKm=-9", 1),
            ("near=1,2&withinKm=1001", 1_000),
            ("near=1,2&withinKm=99999999999999999999", 1_000),
            ("near=%2b1.0,%2b2", KM_DEFAULT),
        ] {
            assert_eq!(circle(raw), Some(Circle { latitude: 1.0, longitude: 2.0, within_km: km }), "{raw}");
        }
        assert_eq!(circle("withinKm=7"), None);
        for raw in
            ["near=", "near=1", "near=1,", "near=,2", "near=1;2", "near=1,2,3", "near=91,0", "near=0,181"]
        {
            assert!(Circle::of(&Params::parse(Some(raw)).unwrap()).is_err(), "{raw}");
        }
        for raw in
            ["near=nan,0", "near=0,inf", "near=1e0,0", "near=1,2&withinKm=1.5", "withinKm=", "near=1, 2"]
        {
            assert!(Circle::of(&Params::parse(Some(raw)).unwrap()).is_err(), "{raw}");
        }
    }

    #[test]
    fn what_is_as_far_as_asked_for_is_near() {
        let circle = circle("near=0,179.9&withinKm=25").unwrap();
        assert!(circle.has(Place::point("0", "-179.9").unwrap()), "22 km over the date line");
        assert!(!circle.has(Place::point("0", "-179.8").unwrap()), "33 km");
        assert!(!circle.has(Place::Cell(7)), "no cell");
    }
}
