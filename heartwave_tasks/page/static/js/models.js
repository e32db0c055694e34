export async function showModels(place) { place.textContent = "…"; }
