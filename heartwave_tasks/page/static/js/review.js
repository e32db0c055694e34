export async function showReview(place) { place.textContent = "…"; }
