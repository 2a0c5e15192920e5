# Run by CPack between installing and packing: what Debian wants of every package beside the files
# that the project installs. Each component is one package.
set(package_programs dms)
set(package_libraries libdms@PROJECT_VERSION_MAJOR@)
set(package_development libdms-dev)
set(package_cuda dms-cuda)
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)   # of SOURCE_DATE_EPOCH where it is set

# pack(FILE): as gzip does it without name and time.
function(pack file)
  execute_process(COMMAND gzip -9nf ${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

foreach(component @CPACK_COMPONENTS_ALL@)
  set(root ${CPACK_TEMPORARY_DIRECTORY}/${component})
  set(doc ${root}/usr/share/doc/${package_${component}})
  configure_file(@CMAKE_SOURCE_DIR@/cmake/package/debian/copyright ${doc}/copyright COPYONLY)
  configure_file(@CMAKE_SOURCE_DIR@/CHANGELOG.md ${doc}/changelog COPYONLY)
  file(WRITE ${doc}/changelog.Debian
       "dms (@CPACK_PACKAGE_VERSION@-@CPACK_DEBIAN_PACKAGE_RELEASE@) unstable; urgency=medium\n\n"
       "  * Packaged by CPack; changes are in changelog.gz.\n\n"
       " -- @CPACK_PACKAGE_CONTACT@  ${date}\n")
  pack(${doc}/changelog)
  pack(${doc}/changelog.Debian)
  file(REMOVE ${root}/usr/share/doc/dms/LICENSE)   # Debian has it already
  file(GLOB pages ${root}/usr/share/man/man*/*)
  foreach(page IN LISTS pages)
    pack(${page})
  endforeach()
  file(GLOB binaries ${root}/usr/bin/* ${root}/usr/lib/*/*.so.*.* ${root}/usr/lib/*/dms/*.so)
  foreach(binary IN LISTS binaries)
    execute_process(COMMAND @CMAKE_STRIP@ --remove-section=.comment ${binary}
                    COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  file(GLOB archives ${root}/usr/lib/*/*.a)
  foreach(archive IN LISTS archives)
    execute_process(COMMAND @CMAKE_STRIP@ --strip-debug --remove-section=.comment
                            --enable-deterministic-archives ${archive} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endforeach()
