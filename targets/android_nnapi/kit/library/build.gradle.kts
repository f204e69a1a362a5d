plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.edgeswap.android"
    compileSdk = 36
    defaultConfig {
        minSdk = 28 // what c2pa-android needs; NNAPI itself begins with 27
        ndk { abiFilters += "arm64-v8a" } // bundles are built for aarch64
        buildConfigField("String", "ONNXRUNTIME", "\"${libs.versions.onnxruntime.get()}\"")
    }
    buildFeatures { buildConfig = true }
    compileOptions { sourceCompatibility = JavaVersion.VERSION_17; targetCompatibility = JavaVersion.VERSION_17 }
    kotlinOptions { jvmTarget = "17" }
}

dependencies {
    api(project(":core"))
    implementation(libs.onnxruntime)
    implementation(libs.c2pa) { exclude(group = "net.java.dev.jna", module = "jna") }
    implementation(libs.jna) { artifact { type = "aar" } }
    implementation(libs.bouncycastle)
}
