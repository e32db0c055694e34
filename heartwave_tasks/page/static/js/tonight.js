export async function showTonight(place) { place.textContent = "…"; }
